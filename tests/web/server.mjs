/** A web server for a folder, which can be told to fail. */

import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

/**
 * Serves a folder on a free port of this machine.
 *
 * @param {string} folder What to serve.
 * @param {object} headers Sent with every file.
 * @return {Promise<object>} `url`; `requests`, of which each is `{method,
 *     path}`; `replaced`, a map from a path to what is sent instead of the
 *     file: a Buffer, or a status; `close()`.
 */
export async function serve(folder, headers = {}) {
  const requests = [];
  const replaced = new Map();
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://host").pathname);
    requests.push({ method: request.method, path });
    const file = join(folder, path.endsWith("/") ? path + "index.html" : path);
    const sent = {
      "Content-Type": TYPES[extname(file)] ?? "application/octet-stream",
      "Cache-Control": "no-store",
      ...headers,
    };
    const other = replaced.get(path);
    if (other instanceof Buffer) {
      response.writeHead(200, sent).end(other);
    } else if (other || !statSync(file, { throwIfNoEntry: false })?.isFile()) {
      response.writeHead(other ?? 404).end("an error page");
    } else {
      response.writeHead(200, sent);
      createReadStream(file).pipe(response);
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    requests,
    replaced,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
