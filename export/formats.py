"""Which kinds of files can a model be exported to?"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from .litert import (
    LiteRTRunner,
    write_litert,
    write_litert_dynamic,
    write_litert_fp16,
    write_litert_int8,
)
from .mediapipe_file import RGB_CHANNELS, MediaPipeRunner, write_mediapipe
from .onnx_file import OnnxRunner, require_onnx, write_onnx
from .request import Request
from .saved_model import SavedModelRunner, write_saved_model
from .serving.kit import check_serving_packages, write_serving_kit
from .signatures import PHOTO_CHANNELS
from .tolerance import EXACT, ROUNDED, Tolerance
from .verification import Runner
from .versions import SAVED_MODEL
from .web.kit import LITERT_FORMATS, write_web_kit
from .web.litert_js import fetch_litert_js


@dataclasses.dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        path: The file or folder, relative to the export.
        write: Called with the request and the absolute path.
        open: Called with the absolute path; gives a runner for `verify`.
        tolerance: Called with the request: how far the file may be from the
            model.
        fixed_size: Whether it takes images of one size only, so that further
            sizes need files of their own.
        typed_input: Whether `Request.input_type` says what it takes.
        calibrated: Whether it needs `Request.calibration`.
        robust: Whether it has a signature of robust logits, if asked for.
        channels: Of the images that it may take; empty for any.
        check: Called before any work; raises ValueError if a package that it
            needs is not installed, or OSError if it cannot be downloaded.
    """

    path: str
    write: Callable[[Request, pathlib.Path], None]
    open: Callable[[pathlib.Path], Runner]
    tolerance: Callable[[Request], Tolerance] = lambda request: EXACT
    fixed_size: bool = False
    typed_input: bool = False
    calibrated: bool = False
    robust: bool = False
    channels: Sequence[int] = ()
    check: Callable[[], None] = lambda: None


@dataclasses.dataclass(frozen=True)
class Kit:
    """A folder made of verified files, for those who serve or host them.

    Attributes:
        needs: It needs at least one of these formats.
        write: Called with the export's folder, what will be its metadata
            (without the hashes of files), and a few real images, uint8
            (batch, height, width, channels).
        channels: Of the images that it may take; empty for any.
        check: Called before any work; raises ValueError if a package that it
            needs is not installed, or OSError if it cannot be downloaded.
    """

    needs: Sequence[str]
    write: Callable[[pathlib.Path, Mapping, np.ndarray], None]
    channels: Sequence[int] = ()
    check: Callable[[], object] = lambda: None


@dataclasses.dataclass(frozen=True)
class Artefact:
    """One file of an export that is being made.

    Attributes:
        name: That of its format, with `_HxW` if it is one of further sizes.
        path: The file or folder, relative to the export.
        image_size: (height, width) on which it is verified, pixels.
        format: What it is.
    """

    name: str
    path: str
    image_size: tuple[int, int]
    format: Format


FORMATS: Mapping[str, Format] = {
    "saved_model": Format(
        SAVED_MODEL,
        write_saved_model,
        SavedModelRunner,
        lambda request: EXACT if request.precision == "float32" else ROUNDED,
        robust=True,
    ),
    "litert": Format(
        "litert/model.tflite",
        write_litert,
        LiteRTRunner,
        fixed_size=True,
        typed_input=True,
        robust=True,
    ),
    "litert_fp16": Format(
        "litert/model_fp16.tflite",
        write_litert_fp16,
        LiteRTRunner,
        lambda request: Tolerance(agreement=1e-2),
        fixed_size=True,
        typed_input=True,
        robust=True,
    ),
    "litert_dynamic": Format(
        "litert/model_dynamic.tflite",
        write_litert_dynamic,
        LiteRTRunner,
        lambda request: ROUNDED,
        fixed_size=True,
        typed_input=True,
        robust=True,
    ),
    "litert_int8": Format(
        "litert/model_int8.tflite",
        write_litert_int8,
        LiteRTRunner,
        lambda request: ROUNDED,
        fixed_size=True,
        typed_input=True,
        calibrated=True,
        robust=True,
    ),
    "mediapipe": Format(
        "litert/model_mediapipe.tflite",
        write_mediapipe,
        MediaPipeRunner,
        # Against those of the model, not of logits beside them.
        lambda request: Tolerance(probabilities=1e-4),
        fixed_size=True,
        typed_input=True,
        channels=RGB_CHANNELS,
    ),
    "onnx": Format(
        "onnx/model.onnx", write_onnx, OnnxRunner, check=require_onnx
    ),
}

KITS: Mapping[str, Kit] = {
    "serving": Kit(
        ("saved_model",), write_serving_kit, check=check_serving_packages
    ),
    "web": Kit(LITERT_FORMATS, write_web_kit, PHOTO_CHANNELS, fetch_litert_js),
}


def check_formats(
    names: Sequence[str],
    further_image_sizes: Sequence = (),
    has_calibration: bool = True,
    is_robust: bool = False,
) -> None:
    """Refuses what cannot be exported together.

    Args:
        names: Keys of `FORMATS` and `KITS`.
        further_image_sizes: Sizes beside the model's own.
        has_calibration: Whether there are images to calibrate on.
        is_robust: Whether robust logits are asked for.

    Raises:
        ValueError: If there are none, or one is unknown or lacks what it
            needs, or nothing comes in further sizes or with robust logits.
    """
    known = (*FORMATS, *KITS)
    if not names or any(name not in known for name in names):
        raise ValueError(
            f"formats must be some of {', '.join(known)}. "
            f"Received: formats={','.join(names)}"
        )
    for name in names:
        kit = KITS.get(name)
        if kit is not None and not set(kit.needs) & set(names):
            raise ValueError(
                f"formats must have one of {', '.join(kit.needs)} beside "
                f"{name}. Received: formats={','.join(names)}"
            )
        (kit or FORMATS[name]).check()
    chosen = [FORMATS[name] for name in names if name in FORMATS]
    if not has_calibration and any(kind.calibrated for kind in chosen):
        raise ValueError(
            "calibration_dataset must be given for formats of 8-bit "
            f"activations. Received: formats={','.join(names)} without it"
        )
    for argument, wanted, field, what in (
        (
            "further_image_sizes",
            further_image_sizes,
            "fixed_size",
            "formats of a fixed size",
        ),
        (
            "robust_patch_size",
            is_robust,
            "robust",
            "formats with robust logits",
        ),
    ):
        if wanted and not any(getattr(kind, field) for kind in chosen):
            fitting = [n for n, k in FORMATS.items() if getattr(k, field)]
            raise ValueError(
                f"{argument} must be left out without {what}: one of "
                f"{', '.join(fitting)}. Received: formats={','.join(names)}"
            )


def check_channels(names: Sequence[str], channels: int) -> None:
    """Refuses formats that cannot take a model's images, before any work.

    Args:
        names: Keys of `FORMATS` and `KITS`.
        channels: Of the model's input.

    Raises:
        ValueError: If there is one.
    """
    for name in names:
        accepted = (KITS.get(name) or FORMATS[name]).channels
        if accepted and channels not in accepted:
            raise ValueError(
                f"formats must be without {name}, which takes images of "
                f"{' or '.join(map(str, accepted))} channels, for this model. "
                f"Received: formats={','.join(names)}, {channels} channels"
            )


def artefacts(
    names: Iterable[str],
    image_size: tuple[int, int],
    further_image_sizes: Iterable[tuple[int, int]] = (),
) -> list[Artefact]:
    """The files that formats stand for.

    Args:
        names: Keys of `FORMATS`; of `KITS`, which are no such files, too.
        image_size: (height, width) of the model's input, pixels.
        further_image_sizes: Others, for formats of a fixed size.

    Returns:
        One for each format, then those of further sizes.
    """
    found = {
        name: Artefact(name, FORMATS[name].path, image_size, FORMATS[name])
        for name in names
        if name in FORMATS
    }
    for height, width in further_image_sizes:
        ending = f"_{height}x{width}"
        for kind in list(found.values()):
            if kind.format.fixed_size and kind.name in FORMATS:
                path = pathlib.PurePosixPath(kind.path)
                found[kind.name + ending] = Artefact(
                    kind.name + ending,
                    str(path.with_stem(path.stem + ending)),
                    (height, width),
                    kind.format,
                )
    return list(found.values())
