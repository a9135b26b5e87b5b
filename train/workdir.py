"""What does a run leave on disk? The files of one working directory."""

import json
import pathlib
import textwrap
from collections.abc import Callable, Mapping

import keras
import ml_collections

from bagnet_tf.files import write_json, write_text
from bagnet_tf.model_info import ModelInfo
from bagnet_tf.rendering import render_curves, save_picture
from bagnet_tf.version import library_versions


class Workdir:
    """The folder of one run.

    Holds `config.json`, `metrics.jsonl` (a line an epoch), `metrics.json`,
    `model.keras` (best on the held-out part), `last.keras`, a JSON beside
    each model, `metrics.png`, `checkpoints/` and `tensorboard/`.
    """

    def __init__(self, path: str):
        """Names the folder; nothing is written yet."""
        self.path = pathlib.Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.tensorboard = self.path / "tensorboard"
        self.best_model = self.path / "model.keras"
        self.last_model = self.path / "last.keras"
        self._config = self.path / "config.json"
        self._history = self.path / "metrics.jsonl"
        self._metrics = self.path / "metrics.json"

    def claim(self, config: ml_collections.ConfigDict) -> None:
        """Makes the folder this configuration's, or checks that it is.

        Raises:
            ValueError: If the folder belongs to another configuration (the
                message names the keys), holds other files, or its config.json
                is damaged.
        """
        wanted = json.loads(config.to_json())
        if self._config.is_file():
            stored = _stored_config(self._config)
            changed = [
                f"{key}: {stored.get(key)!r} -> {wanted.get(key)!r}"
                for key in sorted(stored.keys() | wanted.keys())
                if stored.get(key) != wanted.get(key)
            ]
            if changed:
                named = textwrap.shorten("; ".join(changed), 2_000)
                raise ValueError(
                    "workdir must be that of a run of the same "
                    "configuration; choose another workdir. Changed: "
                    f"{named}. "
                    f"Received: workdir={str(self.path)!r}"
                )
            return
        if self.path.exists() and (
            not self.path.is_dir() or any(self.path.iterdir())
        ):
            raise ValueError(
                "workdir must be a folder: new, empty or of an earlier run. "
                f"Received: workdir={str(self.path)!r}"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(
            self._config, {"config": wanted, "versions": library_versions()}
        )

    def history(self, epochs: int) -> list[dict]:
        """The lines of the first `epochs` epochs; later ones are dropped.

        A run that was stopped between an epoch's line and its checkpoint
        trains that epoch again.

        Raises:
            ValueError: If the file is damaged.
        """
        if not self._history.is_file():
            return []
        lines = self._history.read_bytes().splitlines()[:epochs]
        entries = [_object(line, self._history) for line in lines]
        self.append_history(entries)
        return entries

    def append_history(self, history: list[dict]) -> None:
        """Writes the history, one JSON line an epoch."""
        self._rewrite_history([json.dumps(entry) for entry in history])

    def save_model(
        self, model: keras.Model, info: ModelInfo, path: pathlib.Path
    ) -> None:
        """Writes a model and the JSON beside it, each whole or not at all."""
        _write_whole(path, model.save)
        info.save(model, path)

    def save_metrics(self, metrics: Mapping) -> None:
        """Writes `metrics.json`."""
        write_json(self._metrics, metrics)

    def save_curves(self, history: list[dict]) -> None:
        """Writes `metrics.png`, the learning curves."""
        figure = render_curves(history, str(self.path))
        _write_whole(
            self.path / "metrics.png", lambda path: save_picture(figure, path)
        )

    def _rewrite_history(self, lines: list[str]) -> None:
        write_text(self._history, "".join(f"{line}\n" for line in lines))


def _write_whole(
    path: pathlib.Path, write: Callable[[pathlib.Path], None]
) -> None:
    """Writes under a temporary name, then renames.

    Raises:
        OSError: If it cannot be written, such as to a full disk, which the
            rest may not fill.
    """
    temporary = path.with_name(f"tmp-{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(f"{path} cannot be written ({error})") from error


def _stored_config(path: pathlib.Path) -> dict:
    """The configuration in a config.json."""
    stored = _object(path.read_bytes(), path).get("config")
    if not isinstance(stored, dict):
        raise _damaged(path, "it has no object config")
    return stored


def _object(text: bytes, path: pathlib.Path) -> dict:
    """A JSON object that a run has written to the file `path`."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    if not isinstance(content, dict):
        raise _damaged(path, "it is no object")
    return content


def _damaged(path, reason) -> ValueError:
    return ValueError(
        f"workdir must have a whole {path.name} ({reason}); choose another "
        f"workdir. Received: workdir={str(path.parent)!r}"
    )
