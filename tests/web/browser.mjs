/** How is the page opened in a browser without a screen? */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { FOLDER } from "./cases.mjs";

const EXECUTABLE = process.env.CHROMIUM || "/usr/bin/chromium";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
];

/** What the page says when a model is ready. */
export const READY = "Ready.";

/** Starts Chromium. */
export function launch() {
  return chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
}

/**
 * Opens a page in a context of its own, which ends with the test.
 *
 * @param {object} browser From `launch`.
 * @param {string} url Where the page is.
 * @param {object} test The test's context.
 * @param {object} options Of the browser's context; `init` is a function that
 *     runs before the page's scripts.
 * @return {Promise<object>} The page; `problems` are its errors.
 */
export async function openPage(browser, url, test, options = {}) {
  const { init, ...rest } = options;
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 }, ...rest,
  });
  test.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(20000);
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") {
      page.problems.push(message.text());
    }
  });
  if (init) {
    await page.addInitScript(init);
  }
  await page.goto(url);
  return page;
}

/** Waits until the model is there. */
export async function ready(page) {
  await page.getByText(READY, { exact: true }).waitFor();
  return page;
}

/** Chooses a photo, by its name in the fixtures or as a file, and waits. */
export async function choosePhoto(page, file) {
  const path = typeof file === "string" ? join(FOLDER, "photos", file) : file;
  const before = await page.locator("#facts").textContent();
  await page.setInputFiles("#file", path);
  await page.waitForFunction(
    (text) => document.querySelector("#facts").textContent !== text ||
      !document.querySelector("#problem").hidden,
    before,
  );
}

/** The message that the page shows; waits for one. */
export async function problem(page) {
  const shown = page.locator("#problem:not([hidden])");
  await shown.waitFor();
  return shown.textContent();
}

/** A folder that ends with the test. */
export function temporaryFolder(test) {
  const folder = mkdtempSync(join(tmpdir(), "bagnet-web-"));
  test.after(() => rmSync(folder, { recursive: true }));
  return folder;
}
