/** Can a person use the page? Upload, choices, pointer, keyboard, phone. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { choosePhoto, launch, openPage, ready } from "./browser.mjs";
import { FOLDER, cases } from "./cases.mjs";
import { serve } from "./server.mjs";

let browser, server;
before(async () => {
  browser = await launch();
  server = await serve(FOLDER);
});
after(async () => {
  await browser.close();
  server.close();
});

const pageOf = (name) => `${server.url}${cases.exports[name].page}/`;

async function open(t, name = "imagenette", options = {}) {
  return ready(await openPage(browser, pageOf(name), t, options));
}

/** Opens the page and classifies the drawn photo. */
async function classified(t, name = "imagenette", options = {}) {
  const page = await open(t, name, options);
  await choosePhoto(page, "glyph.jpg");
  return page;
}

/** Class ids of the drawn photo by falling logit, as Python sees them. */
function expectedOrder(name, format) {
  const { logits } = cases.exports[name].answers[format]["glyph.jpg"];
  return [...logits.keys()].sort((a, b) => logits[b] - logits[a]);
}

const labelsOf = (page) =>
  page.evaluate(async () => {
    const response = await fetch("metadata.json");
    return (await response.json()).labels;
  });

/** Chooses a model, when a photo has been classified, and waits. */
async function chooseModel(page, name) {
  await page.locator("#model").evaluate((select, value) => {
    select.value = value;
    select.dispatchEvent(new Event("change"));
  }, name);
  await page.waitForFunction(() =>
    !document.querySelector("#status").textContent);
}

/** What the canvas shows, as a short text that changes with it. */
const pictureOf = (page) =>
  page.locator("#canvas").evaluate((canvas) => canvas.toDataURL());

test("a photo is classified, and nothing leaves the device", async (t) => {
  const page = await open(t);
  const count = server.requests.length;
  const [chooser] = await Promise.all([
    page.waitForEvent("filechooser"),
    page.getByRole("button", { name: "Choose a photo" }).click(),
  ]);
  await chooser.setFiles(join(FOLDER, "photos", "glyph.jpg"));
  await page.locator("#answer").waitFor();
  assert.equal(server.requests.length, count);
  assert.ok(server.requests.every(({ method }) => method === "GET"));
  const labels = await labelsOf(page);
  const chosen = await page.locator("#model").inputValue();
  const order = expectedOrder("imagenette", chosen);
  assert.equal(
    await page.locator("#verdict-title").textContent(), labels[order[0]],
  );
  assert.deepEqual(
    await page.locator("#classes button span:first-child").allTextContents(),
    order.slice(0, 5).map((id) => labels[id]),
  );
  assert.match(
    await page.locator("#facts").textContent(),
    /800 × 600.*105 × 105.*hash verified.* ms on one thread/,
  );
  assert.deepEqual(page.problems, []);
});

test("every model can be chosen, and classifies the photo again", async (t) => {
  const page = await classified(t);
  const names = Object.keys(cases.exports.imagenette.answers);
  const shown = page.locator("#model-choice");
  assert.equal(await shown.isVisible(), names.length > 1);
  const facts = new Set();
  for (const name of names) {
    await chooseModel(page, name);
    facts.add(await page.locator("#facts").textContent());
    assert.ok(await page.locator("#answer").isVisible());
  }
  assert.equal(facts.size, names.length);
});

test("a photo chosen before the model is there", async (t) => {
  const page = await openPage(browser, pageOf("imagenette"), t);
  await page.locator("#choose:enabled").waitFor();
  await choosePhoto(page, "glyph.jpg");
  assert.match(await page.locator("#facts").textContent(), /hash verified/);
  assert.ok(await page.locator("#answer").isVisible());
});

test("of two choices in a hurry the last one counts", async (t) => {
  const page = await open(t);
  const [first, last] = await page.evaluate(() => {
    const names = [...document.querySelector("#model").options].map(
      (option) => option.value,
    );
    return names.slice(1, 3);
  });
  const choose = (name) => page.locator("#model").evaluate((select, value) => {
    select.value = value;
    select.dispatchEvent(new Event("change"));
  }, name);
  await page.setInputFiles("#file", join(FOLDER, "photos", "glyph.jpg"));
  await choose(first);
  await choose(last);
  await page.locator("#answer").waitFor();
  await page.waitForFunction(() =>
    !document.querySelector("#status").textContent);
  const { title } = await page.evaluate(async (wanted) => {
    const { readMetadata } = await import("./js/metadata.js");
    const metadata = await readMetadata(
      new URL("metadata.json", document.baseURI),
    );
    return metadata.models.find(({ name }) => name === wanted);
  }, last);
  const facts = await page.locator("#facts").textContent();
  assert.ok(facts.includes(`model of ${title} (`), facts);
});

async function drop(page, files) {
  const transfer = await page.evaluateHandle((given) => {
    const found = new DataTransfer();
    for (const { name, data } of given) {
      const bytes = Uint8Array.from(atob(data), (x) => x.charCodeAt(0));
      found.items.add(new File([bytes], name));
    }
    return found;
  }, files);
  for (const type of ["dragenter", "dragover", "drop"]) {
    await page.dispatchEvent("main", type, { dataTransfer: transfer });
  }
}

test("a photo can be dropped", async (t) => {
  const page = await open(t);
  const bytes = readFileSync(join(FOLDER, "photos", "small.png"));
  await drop(page, [{ name: "a.png", data: bytes.toString("base64") }]);
  await page.locator("#answer").waitFor();
  await drop(page, []);
  assert.match(await page.locator("#problem").textContent(), /was no file/);
});

test("the camera takes a photo", async (t) => {
  const page = await open(t, "imagenette", { permissions: ["camera"] });
  await page.getByRole("button", { name: "Camera" }).click();
  await page.getByRole("button", { name: "Take the photo" }).click();
  await page.locator("#answer").waitFor();
  const live = await page.locator("#camera video")
    .evaluate((video) => video.srcObject);
  assert.equal(live, null);
  await page.getByRole("button", { name: "Camera" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  assert.ok(await page.locator("#problem").isHidden());
});

test("a class is chosen from the list, with its own map", async (t) => {
  const page = await classified(t);
  const before = await pictureOf(page);
  const second = page.locator("#classes button").nth(1);
  const name = await second.locator("span").first().textContent();
  await second.click();
  assert.notEqual(await pictureOf(page), before);
  assert.match(
    await page.locator("#caption").textContent(),
    new RegExp(`Red speaks for ${name}, blue against it`),
  );
  assert.equal(await page.locator("#class-input").inputValue(), name);
  assert.equal(
    await page.locator("#classes [aria-pressed=true] span").first()
      .textContent(),
    name,
  );
});

test("a class is found by a part of its name, by keyboard", async (t) => {
  const page = await classified(t, "thousand");
  await page.locator("#class-input").fill("RANE");
  assert.deepEqual(
    await page.getByRole("option").allTextContents(), ["crane"],
  );
  await page.keyboard.press("Enter");
  assert.match(await page.locator("#caption").textContent(), /for crane/);
  await page.locator("#class-input").fill("class 99");
  for (const key of ["ArrowDown", "ArrowDown", "ArrowUp", "Enter"]) {
    await page.keyboard.press(key);
  }
  // "class 99", "class 990" and so on; the first one is chosen to begin with.
  assert.equal(await page.locator("#class-input").inputValue(), "class 990");
  await page.locator("#class-input").fill("no such thing");
  assert.equal(await page.getByRole("option").count(), 0);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("#class-input").inputValue(), "class 990");
});

test("two classes are compared", async (t) => {
  const page = await classified(t);
  const labels = await labelsOf(page);
  const chosen = await page.locator("#model").inputValue();
  const [best, , third] = expectedOrder("imagenette", chosen);
  const alone = await pictureOf(page);
  await page.locator("#other-input").fill(labels[third]);
  await page.keyboard.press("Enter");
  assert.notEqual(await pictureOf(page), alone);
  assert.equal(
    await page.locator("#caption").textContent(),
    `Red speaks for ${labels[best]}, blue for ${labels[third]}.`,
  );
  const names = await page.locator("#patch-rows th").allTextContents();
  const cells = await page.locator("#patch-rows td").allTextContents();
  const values = [0, 2, 4].map((place) => numberIn(cells[place]));
  assert.equal(names[0], `${labels[best]} − ${labels[third]}`);
  assert.ok(Math.abs(values[0] - (values[1] - values[2])) < 0.011);
  assert.ok(await page.locator("#centred-choice").isHidden());
  await page.getByLabel("Compare with no other class").click();
  // The same map; another patch may be looked at.
  assert.match(await page.locator("#caption").textContent(), /against it/);
  assert.ok(await page.locator("#centred-choice").isVisible());
});

const numberIn = (text) => Number(text.replace("−", "-"));

/** What the page says of the patch at a cell, and what Python says. */
async function checkPatch(page, row, col) {
  assert.equal(
    await page.locator("#patch-heading").textContent(),
    `Patch in row ${row + 1}, column ${col + 1}`,
  );
  const chosen = await page.locator("#model").inputValue();
  const answer = cases.exports.imagenette.answers[chosen]["glyph.jpg"];
  const classes = answer.logits.length;
  const at = (row * 10 + col) * classes;
  const cell = answer.patch_logits.subarray(at, at + classes);
  const mean = cell.reduce((a, b) => a + b, 0) / classes;
  const labels = await labelsOf(page);
  const shown = await page.locator("#patch-rows tr").all();
  for (const line of shown) {
    const name = await line.locator("th").textContent();
    const texts = await line.locator("td").allTextContents();
    const [evidence, contribution] = texts.map(numberIn);
    const expected = cell[labels.indexOf(name)] - mean;
    assert.ok(Math.abs(evidence - expected) < 0.0051 + 1e-5, name);
    assert.ok(Math.abs(contribution - expected / 100) < 0.000051, name);
  }
  assert.equal(shown.length, 5);
}

test("the pointer on a patch shows what it adds", async (t) => {
  const page = await classified(t);
  // Those of 8 bits are not rounded in the browser as in Python.
  await chooseModel(page, "litert");
  const box = await page.locator("#canvas").boundingBox();
  for (const [row, col] of [[0, 0], [3, 7], [9, 9]]) {
    // The middle of a cell lies in the middle of its patch of 33 pixels.
    const [y, x] = [row, col].map((place) => (place * 8 + 16.5) / 105);
    await page.mouse.move(box.x + x * box.width, box.y + y * box.height);
    await checkPatch(page, row, col);
  }
  // The enlarged patch: the pixels that the model saw.
  const found = await page.locator("#patch").evaluate((canvas) => {
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d")
      .getImageData(0, 0, width, height);
    return { width, height, data: [...data] };
  });
  const input = cases.exports.imagenette.inputs["glyph.jpg"];
  assert.deepEqual([found.width, found.height], [33, 33]);
  for (const [y, x] of [[0, 0], [32, 5], [17, 32]]) {
    const from = ((72 + y) * 105 + 72 + x) * 3;
    assert.deepEqual(
      found.data.slice((y * 33 + x) * 4).slice(0, 3),
      [...input.subarray(from, from + 3)],
    );
  }
});

test("the page works from the keyboard alone", async (t) => {
  const page = await classified(t);
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "choose");
  const reached = [];
  for (let i = 0; i < 14; i++) {
    await page.keyboard.press("Tab");
    reached.push(await focused(page));
  }
  const wanted = ["canvas", "class-input", "other-input", "opacity", "boxes"];
  for (const id of wanted) {
    assert.ok(reached.includes(id), `${id} among ${reached}`);
  }
  await chooseModel(page, "litert");
  await page.locator("#canvas").focus();
  const first = ["Home", "PageUp", "ArrowDown", "ArrowRight", "ArrowRight"];
  for (const key of first) {
    await page.keyboard.press(key);
  }
  await checkPatch(page, 1, 2);
  assert.match(
    await page.locator("#patch-summary").textContent(),
    /^row 2, column 3: [+−]?\d+\.\d\d logits for /,
  );
  for (const key of ["End", "PageDown", "ArrowRight", "ArrowDown", "ArrowUp"]) {
    await page.keyboard.press(key);
  }
  await checkPatch(page, 8, 9);
});

const focused = (page) => page.evaluate(() => document.activeElement.id);

test("opacity, boxes and the mean of all classes change the map", async (t) => {
  const page = await classified(t);
  const seen = new Set([await pictureOf(page)]);
  await page.locator("#opacity").fill("0");
  seen.add(await pictureOf(page));
  await page.locator("#boxes").uncheck();
  seen.add(await pictureOf(page));
  await page.locator("#opacity").fill("100");
  seen.add(await pictureOf(page));
  await page.locator("#centred").uncheck();
  seen.add(await pictureOf(page));
  assert.equal(seen.size, 5);
  assert.doesNotMatch(await page.locator("#caption").textContent(), /mean/);
});

test("a sigmoid head in grey", async (t) => {
  const page = await classified(t, "grey");
  const { logits } = cases.exports.grey.answers.litert["glyph.jpg"];
  const labels = await labelsOf(page);
  const named = [...logits.keys()].filter((id) => logits[id] >= 0)
    .sort((a, b) => logits[b] - logits[a]).map((id) => labels[id]);
  assert.equal(
    await page.locator("#verdict-title").textContent(),
    named.length ? named.join(", ") : "None of the classes",
  );
  assert.ok(await page.locator("#centred-choice").isHidden());
  assert.doesNotMatch(await page.locator("#caption").textContent(), /mean/);
});

test("before a photo, the place to drop one fills a wide page", async (t) => {
  const page = await open(t, "imagenette", {
    viewport: { width: 1280, height: 900 },
  });
  const widths = () => page.evaluate(() =>
    ["main", ".stage"].map((name) =>
      document.querySelector(name).getBoundingClientRect().width));
  const [main, stage] = await widths();
  assert.equal(stage, main);
  await choosePhoto(page, "glyph.jpg");
  const [all, part] = await widths();
  assert.ok(part < 0.7 * all, "the answer beside it");
});

for (const width of [320, 360]) {
  for (const name of Object.keys(cases.exports)) {
    test(`${width} pixels wide, ${name}: nothing sticks out`, async (t) => {
      const page = await classified(t, name, {
        viewport: { width, height: 700 },
        deviceScaleFactor: 2,
        isMobile: true,
        hasTouch: true,
      });
      if (name === "thousand") {
        await page.locator("#class-input").fill("a name");
        await page.keyboard.press("Enter");
        await page.locator("#other-input").fill("crane");
        await page.keyboard.press("Enter");
      }
      const [wide, shown] = await page.evaluate(() =>
        [document.documentElement.scrollWidth, window.innerWidth]);
      assert.equal(shown, width);
      assert.ok(wide <= width, `${wide} pixels`);
      const box = await page.locator("#canvas").boundingBox();
      await page.touchscreen.tap(box.x + 2, box.y + 2);
      assert.equal(
        await page.locator("#patch-heading").textContent(),
        "Patch in row 1, column 1",
      );
    });
  }
}
