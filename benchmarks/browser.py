"""How fast is LiteRT in the browser? Against Python's, one thread each.

    python -m export.main --model=imagenette --output=exported \
        --formats=litert,litert_dynamic,web
    python benchmarks/browser.py --export=exported

Runs every LiteRT file of an export with `web/` on one image, in turns: in
headless Chromium, by the modules of the page itself, and in Python. Times are
those of inference alone, the signature that gives logits and patch logits.
"""

import argparse
import contextlib
import functools
import http.server
import json
import pathlib
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

import measure
import numpy as np
from ai_edge_litert.interpreter import Interpreter

# Asks for the name of a model, runs it once, tells the time, and so on.
_PAGE = b"""<!doctype html><script type="module">
import { Classifier } from "./js/classifier.js";
import { readMetadata } from "./js/metadata.js";
const metadata = await readMetadata(new URL("metadata.json", location));
const classifiers = {};
for (;;) {
  const name = await (await fetch("next")).text();
  const model = metadata.models.find((one) => one.name === name);
  const [height, width] = model.inputSize;
  if (!(name in classifiers)) {
    classifiers[name] = new Classifier();
    await classifiers[name].open(model, metadata);
  }
  const length = height * width * metadata.input.channels;
  const pixels = Uint8Array.from({ length }, (_, i) => (i * 7919) % 256);
  const { milliseconds } = await classifiers[name].run(pixels);
  await fetch("done", { method: "POST", body: String(milliseconds) });
}
</script>"""

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_PATIENCE = 120  # Seconds until a model must have been fetched and run.


def main() -> None:
    """Measures and reports."""
    options = _options()
    web = options.export / "web"
    metadata = json.loads((web / "metadata.json").read_text("utf-8"))
    in_python = {
        name: _python(web / record["path"])
        for name, record in metadata["formats"].items()
    }
    times = {name: ([], []) for name in in_python}
    with _browser(web, options.chromium) as in_browser:
        for turn in range(options.turns + 1):
            for name, run in in_python.items():
                found = run(), in_browser(name)
                if turn:  # The first one is a warm-up.
                    for values, value in zip(times[name], found, strict=True):
                        values.append(value)
    rows = [
        _row(record, metadata["files"], *times[name])
        for name, record in metadata["formats"].items()
    ]
    measure.report(
        f"One image, one thread, milliseconds of {options.turns} turns",
        rows,
        f"python benchmarks/browser.py --export={options.export} "
        f"--turns={options.turns}",
        options.output,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--export", type=pathlib.Path, required=True, help="with web/ in it"
    )
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--chromium", default="chromium", help="executable")
    parser.add_argument("--output", type=pathlib.Path, help="JSON to write")
    options = parser.parse_args()
    if not (options.export / "web").is_dir():
        parser.error(f"--export must have web/ in it: {options.export}")
    if shutil.which(options.chromium) is None:
        parser.error(f"--chromium must be there: {options.chromium}")
    return options


def _row(record, files, in_python, in_browser) -> dict[str, object]:
    medians = measure.median(in_python), measure.median(in_browser)
    return {
        "file": record["path"],
        "MB": files[record["path"]]["bytes"] / 1e6,
        "Python": medians[0],
        "p95": float(np.percentile(in_python, 95)),
        "browser": medians[1],
        "its p95": float(np.percentile(in_browser, 95)),
        "browser / Python": medians[1] / medians[0],
    }


def _python(path) -> Callable[[], float]:
    """What runs a file once, and gives the milliseconds."""
    interpreter = Interpreter(str(path), num_threads=1)
    runner = interpreter.get_signature_runner("patch_logits")
    details = runner.get_input_details()["image"]
    size = int(np.prod(details["shape"]))
    pixels = (np.arange(size) * 7919 % 256).reshape(details["shape"])
    image = pixels.astype(details["dtype"])

    def run():
        start = time.perf_counter()
        runner(image=image)
        return 1000 * (time.perf_counter() - start)

    return run


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves `web/`, the page above, and what goes between it and here.

    Attributes:
        names: What the page shall run.
        times: How long it took, milliseconds.
    """

    names = queue.Queue()
    times = queue.Queue()

    def do_GET(self):
        """Sends a file, or for `/next` the name of a format when there is."""
        if self.path not in ("/", "/next"):
            super().do_GET()
            return
        content = _PAGE if self.path == "/" else self.names.get().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        """Takes a time."""
        length = int(self.headers["Content-Length"])
        self.times.put(float(self.rfile.read(length)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        """Says nothing."""


@contextlib.contextmanager
def _browser(
    web: pathlib.Path, chromium: str
) -> Iterator[Callable[[str], float]]:
    """A browser as a function: from the name of a format to milliseconds."""

    def run(name):
        _Handler.names.put(name)
        return _Handler.times.get(timeout=_PATIENCE)

    handler = functools.partial(_Handler, directory=str(web))
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
    ):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        command = [chromium, *_FLAGS, f"--user-data-dir={profile}", url]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            yield run
        finally:
            process.terminate()
            process.wait()
            server.shutdown()


if __name__ == "__main__":
    main()
