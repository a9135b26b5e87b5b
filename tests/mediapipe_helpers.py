"""MediaPipe's own ImageClassifier, in an environment of its own.

MediaPipe 0.10 wants NumPy 1, which TensorFlow no longer takes. Installed once,
below `.build`: 20 seconds and 420 MB.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_ENVIRONMENT = _ROOT / ".build" / "mediapipe"
# Without dependencies: of MediaPipe's, a third is enough for a classifier.
_PACKAGES = (
    "absl-py==2.5.1",
    "attrs==26.1.0",
    "cffi==2.1.1",
    "contourpy==1.3.3",
    "cycler==0.12.1",
    "flatbuffers==25.12.19",
    "fonttools==4.68.0",
    "kiwisolver==1.5.1",
    "matplotlib==3.11.2",
    "mediapipe==0.10.21",
    "numpy==1.26.4",
    "opencv-contrib-python-headless==4.11.0.86",
    "packaging==26.4",
    "pillow==13.0.0",
    "protobuf==4.25.9",
    "pycparser==3.12",
    "pyparsing==3.3.3",
    "python-dateutil==4.0.0",
    "six==1.17.0",
    "sounddevice==0.5.2",
)
_INSTALL_SECONDS = 300
_RUN_SECONDS = 60

_PROGRAM = """
import json, sys
import mediapipe as mp
import numpy as np
from mediapipe.tasks import python
from mediapipe.tasks.python import vision

model, images = sys.argv[1:]
options = vision.ImageClassifierOptions(
    base_options=python.BaseOptions(model_asset_path=model)
)
answers = []
with vision.ImageClassifier.create_from_options(options) as classifier:
    for pixels in np.load(images):
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=pixels)
        found = classifier.classify(image).classifications
        assert len(found) == 1
        answers.append([
            (c.index, c.category_name, c.score) for c in found[0].categories
        ])
print(json.dumps(answers))
"""


def classify(model: bytes, images: np.ndarray) -> list[list[tuple]]:
    """What MediaPipe's ImageClassifier says of images.

    Args:
        model: A .tflite file.
        images: RGB, uint8 (batch, height, width, 3), of the model's size, so
            that MediaPipe resizes nothing.

    Returns:
        For each image (class id, label, score), by falling score.

    Raises:
        unittest.SkipTest: If MediaPipe cannot be installed.
        ValueError: If MediaPipe refuses the model; with its own words.
    """
    python = _python()
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            pathlib.Path(folder, name)
            for name in ("program.py", "model.tflite", "images.npy")
        ]
        paths[0].write_text(_PROGRAM)
        paths[1].write_bytes(model)
        np.save(paths[2], images)
        done = subprocess.run(
            [python, *paths],
            capture_output=True,
            text=True,
            timeout=_RUN_SECONDS,
        )
    if done.returncode:
        raise ValueError(done.stderr)
    answers = json.loads(done.stdout)
    return [[tuple(category) for category in answer] for answer in answers]


def _python() -> pathlib.Path:
    """The interpreter of the environment, which is made if need be."""
    python = _ENVIRONMENT / "bin" / "python"
    installed = _ENVIRONMENT / "installed.txt"
    wanted = "\n".join(_PACKAGES)
    if installed.is_file() and installed.read_text() == wanted:
        return python
    commands = (
        [sys.executable, "-m", "venv", "--clear", _ENVIRONMENT],
        [python, "-m", "pip", "install", "--quiet", "--no-deps", *_PACKAGES],
    )
    for command in commands:
        try:
            subprocess.run(
                command,
                check=True,
                capture_output=True,
                text=True,
                timeout=_INSTALL_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise unittest.SkipTest(
                f"MediaPipe was not installed in {_INSTALL_SECONDS} s."
            ) from error
        except subprocess.CalledProcessError as error:
            reason = error.stderr.strip().splitlines()[-1:]
            raise unittest.SkipTest(
                f"MediaPipe cannot be installed: {reason}"
            ) from error
    installed.write_text(wanted)
    return python
