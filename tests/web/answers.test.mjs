/** Does the browser compute what Python's LiteRT computes? */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, openPage, ready } from "./browser.mjs";
import { FOLDER, cases, largestDifference } from "./cases.mjs";
import { serve } from "./server.mjs";

// Of the largest patch logit of a photo. Dynamic ranges are rounded on the way,
// by other instructions in a browser than in Python: neither is nearer to the
// answer in 32 bits.
const TOLERANCES = { litert: 1e-5, litert_dynamic: 2e-2, litert_int8: 2e-2 };

// Grey levels, of pixels that browsers do not keep as they are stored: colours
// are multiplied by their opacity, and 16 bits become 8 in another way.
const GREY_LEVELS = { "transparent.png": 1, "deep.png": 1 };

let browser, server;
before(async () => {
  browser = await launch();
  server = await serve(FOLDER);
});
after(async () => {
  await browser.close();
  server.close();
});

/** What the page's own modules make of all photos, with one model. */
async function classifyAll(page, name, files) {
  return page.evaluate(async ([wanted, photos]) => {
    const { Classifier } = await import("./js/classifier.js");
    const { readMetadata } = await import("./js/metadata.js");
    const metadata = await readMetadata(
      new URL("metadata.json", document.baseURI),
    );
    const classifier = new Classifier();
    const model = metadata.models.find(({ name }) => name === wanted);
    const { threads } = await classifier.open(model, metadata);
    const found = {};
    for (const photo of photos) {
      const response = await fetch(`/photos/${photo}`);
      const answer = await classifier.classify(await response.blob());
      found[photo] = {
        pixels: [...answer.pixels],
        logits: [...answer.logits],
        patchLogits: [...answer.patchLogits],
        threads,
      };
    }
    return found;
  }, [name, files]);
}

async function checkAnswers(page, exported, name, tolerance) {
  const { inputs, answers } = cases.exports[exported];
  const files = Object.keys(inputs);
  const found = await classifyAll(page, name, files);
  let worst = 0;
  for (const file of files) {
    const { pixels, logits, patchLogits } = found[file];
    const difference = largestDifference(pixels, inputs[file]);
    const allowed = GREY_LEVELS[file] ?? 0;
    assert.ok(difference <= allowed, `${file}: ${difference} grey levels`);
    if (allowed) {
      continue;
    }
    const expected = answers[name][file];
    const scale = expected.patch_logits.reduce(
      (a, b) => Math.max(a, Math.abs(b)), 0,
    );
    const error = Math.max(
      largestDifference(logits, expected.logits),
      largestDifference(patchLogits, expected.patch_logits),
    ) / scale;
    worst = Math.max(worst, error);
    assert.ok(error <= tolerance, `${file}: ${error} of the largest`);
  }
  return { worst, found };
}

for (const exported of Object.keys(cases.exports)) {
  const { page: path, answers } = cases.exports[exported];
  for (const name of Object.keys(answers)) {
    test(`${exported}, ${name}: pixels and answers are Python's`, async (t) => {
      const page = await ready(
        await openPage(browser, `${server.url}${path}/`, t),
      );
      const { worst } = await checkAnswers(
        page, exported, name, TOLERANCES[name],
      );
      t.diagnostic(`largest difference ${worst.toExponential(1)}`);
    });
  }
}

test("real photos are among them", { skip: realPhotosMissing() }, () => {});

function realPhotosMissing() {
  const files = Object.keys(cases.exports.imagenette.inputs);
  return files.some((file) => file.startsWith("real"))
    ? false
    : "Imagenette is not here, so that only drawn images are compared";
}

test("the build for browsers without relaxed SIMD", async (t) => {
  const { page: path } = cases.exports.imagenette;
  const compat = await serve(FOLDER);
  t.after(compat.close);
  const file = `/${path}/vendor/litertjs/core/index.js`;
  const source = await (await fetch(`${compat.url}${file.slice(1)}`)).text();
  const changed = source.replace(
    "const relaxedSimd = await", "const relaxedSimd = false && await",
  );
  assert.notEqual(changed, source);
  compat.replaced.set(file, Buffer.from(changed));
  const page = await ready(
    await openPage(browser, `${compat.url}${path}/`, t),
  );
  const { worst } = await checkAnswers(
    page, "imagenette", "litert", TOLERANCES.litert,
  );
  t.diagnostic(`largest difference ${worst.toExponential(1)}`);
  const loaded = compat.requests.map((request) => request.path);
  assert.ok(loaded.some((one) => one.endsWith("compat_internal.wasm")));
});

test("several threads, where headers allow them", async (t) => {
  const { page: path } = cases.exports.imagenette;
  const isolated = await serve(FOLDER, {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
  });
  t.after(isolated.close);
  const page = await ready(
    await openPage(browser, `${isolated.url}${path}/`, t),
  );
  const { found } = await checkAnswers(
    page, "imagenette", "litert", TOLERANCES.litert,
  );
  assert.ok(Object.values(found).every(({ threads }) => threads));
  assert.deepEqual(page.problems, []);
});
