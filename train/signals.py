"""Was the run asked to stop? Signals, so that a step is never torn."""

import contextlib
import signal
from collections.abc import Callable, Iterator

from absl import logging


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Turns SIGINT (Ctrl-C) and SIGTERM into a question for the loop.

    Yields:
        A function that says whether one of them has come. A second signal
        acts as it did before.
    """
    received = []
    kinds = (signal.SIGINT, signal.SIGTERM)
    earlier = {kind: signal.getsignal(kind) for kind in kinds}

    def restore():
        for kind, handler in earlier.items():
            signal.signal(kind, handler)

    def handle(kind, _):
        received.append(kind)
        logging.warning("Stopping after this step; the run can be resumed.")
        restore()

    for kind in kinds:
        signal.signal(kind, handle)
    try:
        yield lambda: bool(received)
    finally:
        restore()
