/** Is every failure told in words, and can a person go on after it? */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { deflateSync } from "node:zlib";

import {
  choosePhoto,
  launch,
  openPage,
  problem,
  ready,
} from "./browser.mjs";
import { FOLDER, cases } from "./cases.mjs";
import { serve } from "./server.mjs";

const PAGE = cases.exports.imagenette.page;

let browser, server;
before(async () => {
  browser = await launch();
  server = await serve(FOLDER);
});
after(async () => {
  await browser.close();
  server.close();
});
beforeEach(() => server.replaced.clear());

const open = (t, options) =>
  openPage(browser, `${server.url}${PAGE}/`, t, options);
const read = (path) => readFileSync(join(FOLDER, PAGE, path));
const replace = (path, content) =>
  server.replaced.set(`/${PAGE}/${path}`, content);

/** Changes what metadata.json says. */
function changeMetadata(change) {
  const metadata = JSON.parse(read("metadata.json"));
  change(metadata);
  replace("metadata.json", Buffer.from(JSON.stringify(metadata)));
}

/** Leaves one model, and sends something else for it, its hash included. */
function replaceModel(content) {
  const path = "litert/model.tflite";
  changeMetadata((metadata) => {
    metadata.formats = { litert: metadata.formats.litert };
    const sha256 = createHash("sha256").update(content).digest("hex");
    metadata.files[path] = { bytes: content.length, sha256 };
  });
  replace(path, content);
}

// === Photos ===

/** A PNG file of one colour that says to be of some size. */
function png(width, height) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 0, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(Buffer.alloc((width + 1) * height))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
  }
  return ~crc >>> 0;
}

const jpeg = readFileSync(join(FOLDER, "photos", "glyph.jpg"));

const BAD_PHOTOS = {
  "empty.jpg": [Buffer.alloc(0), /“empty.jpg” is empty \(0 bytes\)/],
  "notes.txt": [Buffer.from("a text"), /“notes.txt” is no image/],
  "cut.jpg": [
    jpeg.subarray(0, jpeg.length / 2),
    /“cut.jpg” is damaged: it begins as a JPEG file/,
  ],
  "header.jpg": [jpeg.subarray(0, 700), /“header.jpg” is damaged/],
  "cut.png": [png(40, 40).subarray(0, 45), /“cut.png” is damaged.*PNG/],
  "huge.png": [
    png(20000, 6000),
    /“huge.png” is too large: 20000 × 6000 pixels, .*at most 100 million/,
  ],
};

for (const [name, [buffer, message]] of Object.entries(BAD_PHOTOS)) {
  test(`a photo that cannot be read: ${name}`, async (t) => {
    const page = await ready(await open(t));
    const mimeType = "image/jpeg";
    await choosePhoto(page, { name, mimeType, buffer });
    assert.match(await problem(page), message);
    assert.ok(await page.locator("#answer").isHidden());
    assert.equal(await page.locator("#status").textContent(), "");
    // And the next one works.
    await choosePhoto(page, "small.png");
    assert.ok(await page.locator("#problem").isHidden());
    assert.ok(await page.locator("#answer").isVisible());
    assert.deepEqual(page.problems, []);
  });
}

test("a photo that is only long is read", async (t) => {
  const page = await ready(await open(t));
  const buffer = png(30000, 2);
  await choosePhoto(page, { name: "long.png", mimeType: "image/png", buffer });
  assert.match(await page.locator("#facts").textContent(), /30000 × 2 pixels/);
});

// === Models ===

const FIRST_MODEL = JSON.parse(read("metadata.json")).formats.litert_dynamic
  ? "litert/model_dynamic.tflite" : "litert/model.tflite";

test("a model that is missing", async (t) => {
  replace(FIRST_MODEL, 404);
  const page = await open(t);
  const message = /model_?\w*.tflite cannot be fetched \(status 404\)/;
  assert.match(await problem(page), message);
  await choosePhoto(page, "small.png");
  assert.match(await problem(page), message);
  assert.ok(await page.locator("#answer").isHidden());
});

test("a model that is cut off", async (t) => {
  const whole = read(FIRST_MODEL);
  replace(FIRST_MODEL, whole.subarray(0, whole.length / 2));
  assert.match(
    await problem(await open(t)),
    /is not the one that metadata.json describes: its sha256 is \w{12}…/,
  );
});

for (const part of [0, 0.5, 0.999]) {
  test(`a model of which ${part} was exported`, async (t) => {
    const whole = read("litert/model.tflite");
    replaceModel(whole.subarray(0, whole.length * part));
    assert.match(
      await problem(await open(t)),
      /litert\/model.tflite is no model that LiteRT.js can run \(.+\)/,
    );
  });
}

test("the model of another export", async (t) => {
  const { page: other } = cases.exports.thousand;
  const path = join(FOLDER, other, "litert/model.tflite");
  replaceModel(readFileSync(path));
  assert.match(
    await problem(await open(t)),
    /does not belong to metadata.json: .* takes float32 1 × 21 × 26 × 3,/,
  );
});

// === What else the page is made of ===

const BAD_METADATA = {
  "not JSON": [
    () => replace("metadata.json", Buffer.from("{")),
    /metadata.json is damaged/,
  ],
  "missing": [
    () => replace("metadata.json", 404),
    /metadata.json cannot be fetched \(status 404\)/,
  ],
  "too new": [
    () => changeMetadata((metadata) => (metadata.format_version = 3)),
    /must be of format version 2; this one says 3/,
  ],
  "of nothing": [
    () => replace("metadata.json", Buffer.from("null")),
    /format version 2; this one says undefined/,
  ],
  "without labels": [
    () => changeMetadata((metadata) => delete metadata.labels),
    /incomplete \(labels must be class names\)/,
  ],
  "without hashes": [
    () => changeMetadata((metadata) => (metadata.files = {})),
    /incomplete \(files must have the sha256 of litert\//,
  ],
  "without models": [
    () => changeMetadata((metadata) => (metadata.formats = {})),
    /incomplete \(formats must have a .tflite file\)/,
  ],
};

for (const [name, [change, message]] of Object.entries(BAD_METADATA)) {
  test(`metadata.json ${name}`, async (t) => {
    change();
    const page = await open(t);
    assert.match(await problem(page), message);
    assert.ok(await page.locator("#choose").isDisabled());
  });
}

test("metadata.json with too few labels", async (t) => {
  changeMetadata((metadata) => metadata.labels.pop());
  const page = await ready(await open(t));
  await choosePhoto(page, "small.png");
  assert.match(
    await problem(page),
    /does not belong to metadata.json: it gives 10 logits and 1000 patch/,
  );
});

for (const path of [
  "vendor/litertjs/wasm/litert_wasm_internal.js",
  "vendor/litertjs/wasm/litert_wasm_internal.wasm",
]) {
  test(`LiteRT.js without ${path.split("/").at(-1)}`, async (t) => {
    replace(path, 404);
    const page = await open(t);
    assert.match(await problem(page), /LiteRT.js cannot be started \(.+\)/);
  });
}

test("a module of the page is missing", async (t) => {
  replace("js/model.js", 404);
  const page = await open(t);
  assert.match(await problem(page), /own files cannot be loaded/);
});

test("the page itself does not start", async (t) => {
  replace("js/main.js", 404);
  const page = await open(t);
  await page.locator("#not-started").waitFor({ state: "visible" });
});

test("no WebAssembly", async (t) => {
  const page = await open(t, { init: () => delete globalThis.WebAssembly });
  assert.match(await problem(page), /needs WebAssembly/);
});

test("a camera that may not be used", async (t) => {
  const page = await ready(await open(t, {
    init: () => {
      navigator.mediaDevices.getUserMedia = async () => {
        throw new DOMException("no", "NotAllowedError");
      };
    },
  }));
  await page.locator("#use-camera").click();
  assert.match(await problem(page), /camera cannot be used: .*not allowed/);
});

test("the server is gone", async (t) => {
  const own = await serve(FOLDER);
  const page = await ready(await openPage(browser, `${own.url}${PAGE}/`, t));
  own.close();
  await choosePhoto(page, "small.png");
  assert.ok(await page.locator("#answer").isVisible());
});

// === Nothing leaves the device ===

test("the headers that docs/browser.md gives to servers", async (t) => {
  const docs = readFileSync(
    new URL("../../docs/browser.md", import.meta.url), "utf8",
  );
  const header = /^ *([\w-]+): (default-src.*|same.*|require.*)$/gm;
  const headers = Object.fromEntries(
    [...docs.matchAll(header)].map((line) => line.slice(1)),
  );
  assert.equal(Object.keys(headers).length, 3);
  const strict = await serve(FOLDER, headers);
  t.after(strict.close);
  const page = await ready(
    await openPage(browser, `${strict.url}${PAGE}/`, t),
  );
  await choosePhoto(page, "small.png");
  assert.match(await page.locator("#facts").textContent(), /several threads/);
  assert.deepEqual(page.problems, []);
});

test("no other host can be reached, from the page or its worker", async (t) => {
  const foreign = await serve(FOLDER, { "Access-Control-Allow-Origin": "*" });
  t.after(foreign.close);
  const page = await ready(await open(t));
  const tryOut = async (url) => {
    try {
      await fetch(url, { method: "POST", body: "a photo" });
      return "sent";
    } catch {
      return "blocked";
    }
  };
  const [worker] = page.workers();
  const url = `${foreign.url}${PAGE}/index.html`;
  assert.equal(await worker.evaluate(tryOut, url), "blocked");
  assert.equal(await page.evaluate(tryOut, url), "blocked");
  const loaded = await page.evaluate(async (base) => {
    const image = new Image();
    const outcome = new Promise((resolve) => {
      image.onload = () => resolve("loaded");
      image.onerror = () => resolve("blocked");
    });
    image.src = `${base}icon.svg`;
    return outcome;
  }, `${foreign.url}${PAGE}/`);
  assert.equal(loaded, "blocked");
  assert.deepEqual(foreign.requests, []);
  // That the tries are good ones: without the policy they arrive.
  const free = await (await browser.newContext({ bypassCSP: true })).newPage();
  await free.goto(`${server.url}${PAGE}/`);
  assert.equal(await free.evaluate(tryOut, url), "sent");
  await free.context().close();
});
