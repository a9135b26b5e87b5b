/** How is LiteRT.js started in a worker? */

import { loadLiteRt, supportsFeature } from "../vendor/litertjs/core/index.js";
import { Problem, reasonOf } from "./problem.js";

const WASM = new URL("../vendor/litertjs/wasm/", import.meta.url);
const THREADED = new URL("litert_wasm_threaded_internal.js", WASM);

/**
 * Loads LiteRT.js, on several threads where the server's headers allow it.
 *
 * @return {Promise<{runtime: object, threads: boolean}>} What compiles models,
 *     and whether it uses threads.
 */
export async function loadRuntime() {
  const threads =
    self.crossOriginIsolated && (await supportsFeature("relaxedSimd"));
  // LiteRT.js passes this on to Emscripten, which would look for its files
  // beside the worker: a blob, which has no neighbours. Threads start from a
  // blob too, so that the page's Content-Security-Policy holds in them.
  self.Module = {
    locateFile: (file) => new URL(file, WASM).href,
    mainScriptUrlOrBlob: new Blob(
      [`importScripts(${JSON.stringify(THREADED.href)});`],
      { type: "text/javascript" },
    ),
    // LiteRT reports as errors that all is well.
    printErr: (text) => {
      (/^(INFO|VERBOSE)/.test(text) ? console.debug : console.warn)(text);
    },
  };
  try {
    return { runtime: await loadLiteRt(WASM.href, { threads }), threads };
  } catch (error) {
    throw new Problem(
      `LiteRT.js cannot be started (${reasonOf(error)}). Has the whole ` +
      "folder been copied, vendor/ included?",
    );
  }
}
