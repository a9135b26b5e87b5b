"""Where does the time of a step go? TensorFlow's profiler, for some steps."""

import pathlib
from collections.abc import Sequence

import tensorflow as tf


class StepProfiler:
    """Profiles the steps of one range; TensorBoard's profiler plugin shows it.

    Example:
        >>> with StepProfiler((10, 20), "run/tensorboard") as profiler:
        ...     for step in range(100):
        ...         profiler.before(step)
        ...         train_one_step()
    """

    def __init__(
        self, steps: Sequence[int] | None, log_dir: str | pathlib.Path
    ):
        """Plans what to profile; nothing happens yet.

        Args:
            steps: The first step, counted from 0, and the one after the last;
                `None` for none.
            log_dir: TensorBoard's folder.

        Raises:
            ValueError: If they are not two numbers of which the second is
                larger.
        """
        steps = (0, 0) if steps is None else tuple(steps)
        if steps != (0, 0) and not (
            len(steps) == 2 and 0 <= steps[0] < steps[1]
        ):
            raise ValueError(
                "profile_steps must be FIRST,END with FIRST < END. "
                f"Received: profile_steps={','.join(map(str, steps))}"
            )
        self._first, self._end = steps
        self._log_dir = str(log_dir)
        self._running = False

    def before(self, step: int) -> None:
        """Starts or stops, if it is time. `step` is about to be done."""
        if not self._running and self._first <= step < self._end:
            tf.profiler.experimental.start(self._log_dir)
            self._running = True
        elif self._running and step >= self._end:
            self._stop()

    def __enter__(self):
        """Begins; profiling does so with `before`."""
        return self

    def __exit__(self, *exception):
        """Stops profiling, if it is still going on."""
        if self._running:
            self._stop()

    def _stop(self):
        tf.profiler.experimental.stop()
        self._running = False
