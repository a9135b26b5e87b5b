"""How is an exported .tflite file run where there is no TensorFlow?"""

import contextlib
import os
import pathlib
from collections.abc import Iterator

import numpy as np

from ..client.decision import check_answer
from ..client.metadata import METADATA_FILE, Metadata, check_file, read_metadata
from ..client.signature_names import PATCH_LOGITS


def metadata_of(model: str | os.PathLike[str]) -> Metadata:
    """Reads the metadata of the export that a file lies in.

    Args:
        model: A file of the export, in its folder or one below.

    Returns:
        What the nearest metadata.json says.

    Raises:
        ValueError: If the file does not exist, or there is no such metadata,
            or it is damaged.
    """
    model = pathlib.Path(model)
    if not model.is_file():
        raise ValueError(
            "model must be an existing .tflite file. "
            f"Received: model={str(model)!r}"
        )
    for folder in model.absolute().parents[:2]:
        if (folder / METADATA_FILE).is_file():
            return read_metadata(folder)
    raise ValueError(
        f"model must lie in an export with its {METADATA_FILE}, or --metadata "
        f"must name that. Received: model={str(model)!r}"
    )


class LiteRTModel:
    """A .tflite file of an export, checked before and after it runs.

    Attributes:
        metadata: That of the export.
        input_size: (height, width) of the images that it takes, pixels.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        metadata: Metadata,
        num_threads: int | None = None,
    ):
        """Loads a file.

        Args:
            path: The .tflite file, within the folder of the metadata.
            metadata: That of the export.
            num_threads: How many threads run it; by default LiteRT's choice.

        Raises:
            ValueError: If ai-edge-litert is not installed, the file is not
                the one that the metadata speaks of, or it has no evidence.
        """
        self.metadata = metadata
        relative = _relative(path, metadata)
        content = check_file(metadata, relative).read_bytes()
        record = metadata.format_of(relative)
        self.input_size = record.input_size
        self._path = path
        make = _interpreter_class()
        with self._failures_named():
            # The content whose hash was checked, whatever becomes of the file.
            self._interpreter = make(
                model_content=content, num_threads=num_threads
            )
            signatures = self._interpreter.get_signature_list()
        if PATCH_LOGITS not in signatures:
            raise ValueError(
                f"model must have the signature {PATCH_LOGITS!r}: this file "
                f"gives no evidence. Received: model={str(path)!r}"
            )
        with self._failures_named():
            self._run = self._interpreter.get_signature_runner(PATCH_LOGITS)
            image = self._run.get_input_details()["image"]
        self._dtype = image["dtype"]
        expected = (1, *record.input_size, metadata.channels)
        if tuple(image["shape"].tolist()) != expected:
            raise ValueError(
                f"model must take images of shape {expected}, as the metadata "
                f"of {metadata.model!r} has it. Received: "
                f"model={str(path)!r} of shape {tuple(image['shape'].tolist())}"
            )

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Runs the file once.

        Args:
            image: uint8 (*input_size, channels).

        Returns:
            Logits, float32 (classes,), and patch logits, float32
            (rows, cols, classes).

        Raises:
            ValueError: If LiteRT cannot run the file, or the answer cannot be
                that of the described model.
        """
        with self._failures_named():
            outputs = self._run(image=image[None].astype(self._dtype))
            logits = outputs["logits"][0]
            patch_logits = outputs["patch_logits"][0]
        check_answer(logits, patch_logits, self.metadata, self.input_size)
        return logits, patch_logits

    @contextlib.contextmanager
    def _failures_named(self) -> Iterator[None]:
        """Turns what LiteRT finds wrong with a file into one error."""
        try:
            yield
        # LiteRT raises many kinds where a file contradicts itself.
        except (ValueError, RuntimeError, LookupError, TypeError) as error:
            raise ValueError(
                f"model must be a .tflite file that LiteRT runs ({error}). "
                f"Received: model={str(self._path)!r}"
            ) from error


def _relative(path, metadata) -> str:
    """The path as the metadata lists it."""
    path, folder = pathlib.Path(path).resolve(), metadata.folder.resolve()
    if not path.is_relative_to(folder):
        raise ValueError(
            "model must lie in the export that the metadata is of, "
            f"{str(folder)!r}. Received: model={str(path)!r}"
        )
    return path.relative_to(folder).as_posix()


def _interpreter_class():
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ValueError(
            "Running .tflite files needs LiteRT: pip install ai-edge-litert"
        ) from error
    return Interpreter
