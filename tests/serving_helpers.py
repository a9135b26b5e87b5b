"""An export that is served by the stand-in, for the tests of the client."""

import atexit
import contextlib
import functools
import io
import pathlib
import tempfile

import numpy as np
from absl.testing import parameterized
from PIL import Image

from export.client.metadata import read_metadata
from export.exporter import export_model
from export.request import Request
from export.saved_model import write_saved_model
from export.serving.failures import ServerError
from export.serving.served_model import ServedModel
from tests.export_helpers import SIZE, info_of, random_images, tiny_model
from tests.serving_stand_in import StandIn

# Gone when Python ends.
_FOLDERS = contextlib.ExitStack()
atexit.register(_FOLDERS.close)


@functools.cache
def exported() -> pathlib.Path:
    """An export with the serving kit, not to be changed."""
    output = _folder() / "exported"
    images = random_images(3, SIZE)
    result = export_model(
        Request(tiny_model(), info_of()),
        output,
        ["saved_model", "serving"],
        lambda size: [images],
    )
    assert result.passed
    return output


@functools.cache
def stand_in() -> StandIn:
    """A server of the export; its version 2 is another model."""
    second = _folder() / "2"
    write_saved_model(Request(tiny_model(seed=1), info_of()), second)
    versions = {1: exported() / "saved_model" / "1", 2: second}
    return StandIn("tiny", versions)


def served(url: str, **changes) -> ServedModel:
    """A client that does not wait long."""
    metadata = changes.pop("metadata", None) or read_metadata(exported())
    defaults = {"timeout": 20, "retries": 2, "first_wait": 0.01}
    return ServedModel(url, metadata, **{**defaults, **changes})


def _folder() -> pathlib.Path:
    return pathlib.Path(_FOLDERS.enter_context(tempfile.TemporaryDirectory()))


def photo(height=40, width=50, seed=0) -> np.ndarray:
    """Smooth colours and an edge, RGB."""
    generator = np.random.default_rng(seed)
    rows, cols = np.mgrid[:height, :width]
    waves = 90 * np.sin(rows / 9)[..., None] + np.stack(
        [cols, rows, rows + cols], -1
    )
    waves = waves + generator.uniform(0, 60, 3)
    waves[height // 3 : height // 2, width // 4 : width // 2] = 255, 0, 30
    return waves.clip(0, 255).astype(np.uint8)


def with_protocols(*cases):
    """Each case over REST and over gRPC."""
    return parameterized.named_parameters(
        (f"{name}_{protocol}", protocol, *case)
        for name, *case in cases
        for protocol in ("rest", "grpc")
    )


def encoded(image, kind="PNG", **options) -> bytes:
    """An image file."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind, **options)
    return stream.getvalue()


class ServedModelTestCase(parameterized.TestCase):
    """Has a server, on which nothing goes wrong yet."""

    def setUp(self):
        super().setUp()
        self.server = stand_in()
        self.server.faults.clear()
        self.server.requests.clear()

    def served(self, protocol, **changes):
        """A client of the server."""
        return served(getattr(self.server, protocol), **changes)

    def assert_fails(self, pattern, call, *arguments):
        """Checks that the server is to blame, in one line."""
        with self.assertRaisesRegex(ServerError, pattern) as raised:
            call(*arguments)
        self.assertNotIn("\n", str(raised.exception))
        self.assertIn("://localhost:", str(raised.exception))
