/** What happens when? Photos, models and choices, from here to the screen. */

import { AnswerView } from "./answer_view.js";
import { hasCamera, takePhoto } from "./camera.js";
import { Classifier } from "./classifier.js";
import { onDroppedPhoto } from "./drop.js";
import { MapView } from "./map_view.js";
import { readMetadata } from "./metadata.js";
import { fileSize } from "./numbers.js";
import { element } from "./page.js";
import { Problem, inWords } from "./problem.js";

const classifier = new Classifier();
let metadata = null;
let description = null; // Of the chosen model.
let opening = null; // Until the chosen model is ready, or has failed.
let photo = null; // What is shown: an image file.
let asked = null; // What is being classified.
let turn = 0; // Counts what was asked for: late answers are not shown.

const answerView = new AnswerView((choice) => mapView.choose(choice));
const mapView = new MapView((cell) => answerView.showPatch(cell));

async function start() {
  element("not-started").hidden = true;
  if (!globalThis.WebAssembly || !globalThis.OffscreenCanvas) {
    throw new Problem(
      "This browser is too old: the page needs WebAssembly and " +
      "OffscreenCanvas. Browsers of 2023 and later have both.",
    );
  }
  metadata = await readMetadata(new URL("metadata.json", document.baseURI));
  element("classes-count").textContent = metadata.labels.length;
  const { models } = metadata;
  element("model-choice").hidden = models.length === 1;
  const sizes = new Set(models.map(({ inputSize }) => String(inputSize)));
  element("model").replaceChildren(
    ...models.map((model) => modelOption(model, sizes.size > 1)),
  );
  connect();
  await openModel(models[0]);
}

function modelOption({ name, title, inputSize, bytes }, withSize) {
  const [height, width] = inputSize;
  const size = withSize ? `${width} × ${height} pixels, ` : "";
  return new Option(`${title}, ${size}${fileSize(bytes)}`, name);
}

/** What a person can do, once it is known that the page can work. */
function connect() {
  const file = element("file");
  element("choose").disabled = false;
  element("choose").addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    const [chosen] = file.files;
    file.value = ""; // The same file may be chosen again.
    if (chosen) {
      classify(chosen);
    }
  });
  onDroppedPhoto(classify, showProblem);
  element("use-camera").hidden = !hasCamera();
  element("use-camera").addEventListener("click", async () => {
    try {
      const taken = await takePhoto(element("camera"));
      if (taken) {
        await classify(taken);
      }
    } catch (error) {
      showProblem(error);
    }
  });
  element("model").addEventListener("change", async ({ target }) => {
    const chosen = metadata.models.find(({ name }) => name === target.value);
    const again = asked ?? photo;
    try {
      await openModel(chosen);
      if (again && description.name === chosen.name) {
        await classify(again);
      }
    } catch (error) {
      showProblem(error);
    }
  });
}

async function openModel(chosen) {
  const mine = ++turn;
  description = chosen;
  element("problem").hidden = true;
  say(`Loading the model (${fileSize(chosen.bytes)}) …`);
  opening = classifier.open(chosen, metadata);
  opening.catch(() => {}); // Told here, and at every photo.
  const { verified, threads } = await opening;
  if (description === chosen) {
    description = { ...chosen, verified, threads };
  }
  if (mine === turn) {
    say(photo ? "" : "Ready.");
  }
}

async function classify(chosen) {
  const mine = ++turn;
  asked = chosen;
  element("problem").hidden = true;
  say("Classifying …");
  try {
    await opening;
    const answer = await classifier.classify(chosen);
    if (mine !== turn) {
      answer.picture.close();
      return;
    }
    photo = chosen;
    show(answer);
  } catch (error) {
    if (mine === turn) {
      showProblem(error);
    }
  } finally {
    if (mine === turn) {
      asked = null;
    }
  }
}

function show(answer) {
  element("empty").hidden = true;
  mapView.show(answer, description, metadata);
  answerView.show(answer, mapView.grid, metadata);
  say(""); // The verdict speaks.
  showFacts(answer);
}

function showFacts({ milliseconds, additivityError, width, height }) {
  const { title, bytes, verified, threads, inputSize } = description;
  const facts = [
    `Photo ${width} × ${height} pixels, seen at ` +
      `${inputSize[1]} × ${inputSize[0]}`,
    `model of ${title} (${fileSize(bytes)}, ` +
      `${verified ? "hash verified" : "hash not verified: no secure page"})`,
    `${milliseconds.toFixed(0)} ms on ` +
      `${threads ? "several threads" : "one thread"}`,
    "mean of the patch logits = logits within " +
      `${additivityError.toExponential(0)} of the largest`,
  ];
  element("facts").textContent = `${facts.join(" · ")}.`;
  element("facts").dataset.milliseconds = milliseconds;
  element("facts").hidden = false;
}

function say(text) {
  element("status").textContent = text;
}

function showProblem(error) {
  say("");
  element("problem").textContent = inWords(error);
  element("problem").hidden = false;
  element("problem").scrollIntoView({ block: "nearest" });
}

start().catch(showProblem);
