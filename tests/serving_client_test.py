"""The command asks a server and draws what it answers; or says why not."""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from bagnet_tf import patch_logits_model
from bagnet_tf.photos import evaluation_transform
from export.client.metadata import read_metadata
from export.client.picture import draw_evidence
from export.serving import client as command
from tests.commands_here import as_flags, run_here
from tests.export_helpers import SIZE, tiny_model
from tests.serving_helpers import (
    ServedModelTestCase,
    encoded,
    exported,
    photo,
)
from tests.serving_stand_in import Refusal

_ROOT = pathlib.Path(__file__).resolve().parents[1]

# Runs the command where these cannot be imported.
_WITHOUT_TENSORFLOW = """
import runpy, sys
class Refusing:
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in (
            "tensorflow", "keras", "matplotlib", "grpc", "tensorflow_serving"
        ):
            raise ImportError(f"{name} is not wanted")
sys.meta_path.insert(0, Refusing())
sys.argv[0] = "client"
runpy.run_module("export.serving.client", run_name="__main__")
"""


class ClientCommandTestCase(ServedModelTestCase):
    def setUp(self):
        super().setUp()
        self.here = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory())
        )
        self.output = self.here / "explained"
        self.image = self.save("cat.png", photo())

    def save(self, name, image, **options):
        path = self.here / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path, **options)
        return path

    def arguments(self, *more, **changes):
        values = {
            "url": self.server.rest,
            "image": self.image,
            "output": self.output,
            "metadata": exported(),
            "version": 1,
            **changes,
        }
        return [*as_flags(**values), *more]

    def run_command(self, *more, **changes):
        """Exit status, what is printed, and what is said of errors."""
        return run_here(command, *self.arguments(*more, **changes))

    def written(self):
        return sorted(path.name for path in self.output.glob("*"))


class ResultsTest(ClientCommandTestCase):
    def _expected(self, path):
        """The input of the model, and what the Keras model says of it."""
        image, _ = evaluation_transform(np.asarray(Image.open(path)), SIZE)
        network = patch_logits_model(tiny_model())
        outputs = network.predict_on_batch(image[None].astype(np.float32))
        return image, outputs["logits"][0], outputs["patch_logits"][0]

    @parameterized.parameters("rest", "grpc")
    def test_picture_and_numbers(self, protocol):
        url = getattr(self.server, protocol)
        status, printed, said = self.run_command("--json", url=url)
        self.assertEqual(status, 0)
        image, logits, patch_logits = self._expected(self.image)
        best = int(logits.argmax())
        self.assertIn(f"{self.image}: class {best}, p = ", said)
        self.assertEqual(self.written(), ["cat.json", "cat.png"])
        content = json.loads((self.output / "cat.json").read_text())
        files = {"png": "cat.png", "numbers": "cat.json"}
        files = {kind: str(self.output / name) for kind, name in files.items()}
        self.assertEqual(
            json.loads(printed), {"images": [content | {"files": files}]}
        )
        self.assertEqual(content["server"], url)
        self.assertEqual(content["photo_size"], [40, 50])
        self.assertEqual(content["prediction"]["class_id"], best)
        first = content["classes"][0]
        np.testing.assert_allclose(first["logit"], logits[best], rtol=1e-4)
        np.testing.assert_allclose(
            first["class_evidence"], patch_logits[..., best], atol=1e-4
        )
        drawn = np.asarray(Image.open(self.output / "cat.png"))
        wanted = draw_evidence(
            image,
            patch_logits,
            read_metadata(exported()),
            None,
            logits,
            f"cat.png  ·  {url}",
        )
        differs = np.abs(drawn.astype(int) - np.asarray(wanted)).max(axis=-1)
        self.assertLess(np.mean(differs > 2), 1e-3)

    @parameterized.parameters("pixels", "bytes")
    def test_photo_is_turned_upright(self, send):
        exif = Image.Exif()
        exif[0x0112] = 8
        stored = photo(50, 40)
        turned = self.save("turned.png", stored, exif=exif)
        upright = self.save(
            "upright.png", np.ascontiguousarray(np.rot90(stored))
        )
        self.run_command(image=f"{turned},{upright}", send=send)
        found = [
            json.loads((self.output / f"{name}.json").read_text())
            for name in ("turned", "upright")
        ]
        for values in found:
            self.assertEqual(values["photo_size"], [40, 50])
        evidence = [values["classes"][0]["class_evidence"] for values in found]
        np.testing.assert_allclose(*evidence, rtol=1e-5)
        self.assertEqual(found[0]["notes"], ["rotated by EXIF"])

    def test_several_images(self):
        other = self.save("more/cat.png", photo(30, 90, seed=3))
        jpeg = self.here / "dog.jpg"
        jpeg.write_bytes(encoded(photo(60, 20), "JPEG"))
        _, printed, _ = self.run_command(image=f"{self.image},{other},{jpeg}")
        self.assertEqual(
            self.written(),
            [
                f"{stem}.{kind}"
                for stem in ("cat-2", "cat", "dog")
                for kind in ("json", "png")
            ],
        )
        self.assertLen(printed.splitlines(), 3)
        self.assertLen(self.server.requests, 4)  # The model's metadata once.

    def test_classes(self):
        self.run_command(class_ids="4,class 2,4")
        content = json.loads((self.output / "cat.json").read_text())
        class_ids = [entry["class_id"] for entry in content["classes"]]
        self.assertEqual(class_ids, [4, 2])

    def test_version(self):
        self.run_command(version=2)
        content = json.loads((self.output / "cat.json").read_text())
        image, _, _ = self._expected(self.image)
        logits = tiny_model(seed=1).predict_on_batch(
            image[None].astype(np.float32)
        )
        self.assertAlmostEqual(
            content["classes"][0]["logit"], logits.max(), places=4
        )

    def test_existing_results_are_kept_unless_told(self):
        self.run_command()
        before = (self.output / "cat.png").read_bytes()
        self.server.requests.clear()
        with self.assertRaisesRegex(ValueError, "--overwrite replaces them"):
            self.run_command(version=2)
        self.assertEqual((self.output / "cat.png").read_bytes(), before)
        self.assertEmpty(self.server.requests)
        self.run_command("--overwrite", version=2)
        self.assertNotEqual((self.output / "cat.png").read_bytes(), before)


class ErrorsTest(ClientCommandTestCase):
    @parameterized.parameters("rest", "grpc")
    def test_servers_failure_is_one_line_and_status_1(self, protocol):
        self.server.faults += [None, Refusal("INTERNAL", "broken")]
        status, printed, said = self.run_command(
            url=getattr(self.server, protocol)
        )
        self.assertEqual((status, printed), (1, ""))
        self.assertRegex(said, r"^client: (http|grpc)://.* failed.*broken\)\n$")
        self.assertFalse(self.output.exists())

    def test_whole_pictures_before_the_failure_stay(self):
        self.server.faults += [None, None, Refusal("INTERNAL", "broken")]
        other = self.save("other.png", photo())
        status, printed, _ = self.run_command(image=f"{self.image},{other}")
        self.assertEqual(status, 1)
        self.assertLen(printed.splitlines(), 1)
        self.assertEqual(self.written(), ["cat.json", "cat.png"])

    @parameterized.named_parameters(
        ("url", {"url": "localhost"}, "url must be"),
        ("metadata", {"metadata": "no/such.json"}, "metadata must be an exist"),
        ("image", {"image": "no/such.png"}, "image must be an existing file"),
        ("class_ids", {"class_ids": "zebra"}, "class_ids must be names or ids"),
    )
    def test_users_mistakes(self, changes, pattern):
        with self.assertRaisesRegex(ValueError, pattern):
            self.run_command(**changes)
        self.assertEmpty(self.server.requests)
        self.assertFalse(self.output.exists())

    @parameterized.parameters(b"", b"no image", encoded(photo())[:200])
    def test_nothing_is_asked_unless_all_images_can_be_read(self, content):
        bad = self.here / "bad.png"
        bad.write_bytes(content)
        with self.assertRaisesRegex(ValueError, "image must be.*bad.png"):
            self.run_command(image=f"{self.image},{bad}")
        self.assertEmpty(self.server.requests)
        self.assertFalse(self.output.exists())


class ProcessTest(ClientCommandTestCase):
    def _run_alone(self, *more, **changes):
        return subprocess.run(
            [
                sys.executable,
                "-c",
                _WITHOUT_TENSORFLOW,
                *self.arguments(*more, **changes),
            ],
            capture_output=True,
            text=True,
            cwd=_ROOT,
        )

    @parameterized.parameters("pixels", "bytes")
    def test_rest_needs_neither_tensorflow_nor_matplotlib(self, send):
        done = self._run_alone(send=send)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.written(), ["cat.json", "cat.png"])

    def test_grpc_says_one_line_too(self):
        url = self.server.rest.replace("http", "grpcs")  # No TLS there.
        module = "export.serving.client"
        done = subprocess.run(
            [sys.executable, "-m", module, *self.arguments(url=url)],
            capture_output=True,
            text=True,
            cwd=_ROOT,
        )
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^client: grpcs://.* TLS; is it.*\n$")

    def test_failure_of_the_server(self):
        done = self._run_alone(model_name="other")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^client: .*knows no model other.*\n$")

    def test_mistake_of_the_user(self):
        for changes, pattern in (
            ({"url": "localhost:8501"}, "url must be http://HOST:PORT"),
            ({"send": "words"}, "send"),
            ({"url": self.server.grpc}, r"pip install 'bagnet-tf\[serving\]'"),
        ):
            done = self._run_alone(**changes)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, rf"^client: .*{pattern}.*\n$")


if __name__ == "__main__":
    absltest.main()
