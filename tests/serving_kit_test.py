"""The files for TensorFlow Serving say what it takes."""

import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
from unittest import mock

import numpy as np
import yaml
from absl.testing import absltest, parameterized
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

from export.formats import check_formats
from export.serving import kit
from export.serving.kit import (
    MAX_BATCH_SIZE,
    SERVER_IMAGE,
    write_serving_kit,
)
from export.serving.names import served_name
from export.serving.warmup import (
    WARMUP_FILE,
)
from tests.serving_helpers import exported, stand_in


def _batching_parameters():
    """The message, from TensorFlow Serving's session_bundle_config.proto."""
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto",
        package="test",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    message = file.message_type.add(name="BatchingParameters")
    for number, name in enumerate(
        (
            "max_batch_size",
            "batch_timeout_micros",
            "max_enqueued_batches",
            "num_batch_threads",
        ),
        start=1,
    ):
        message.field.add(
            name=name,
            number=number,
            type=descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
            type_name=".google.protobuf.Int64Value",
            label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName("test.BatchingParameters")
    return message_factory.GetMessageClass(descriptor)()


class FilesTest(parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.export = exported()
        cls.kit = cls.export / "serving"
        text = (cls.kit / "compose.yaml").read_text(encoding="utf-8")
        cls.service = yaml.safe_load(text)["services"]["tiny"]

    def _parsed(self, name, message):
        text = (self.kit / name).read_text(encoding="utf-8")
        return text_format.Parse(text, message)

    def test_hashes_of_all_files_are_in_the_metadata(self):
        content = json.loads((self.export / "metadata.json").read_text())
        names = ("models.config", "batching.config", "compose.yaml")
        for file in (
            *(f"serving/{name}" for name in (*names, "README.md")),
            f"saved_model/1/{WARMUP_FILE}",
        ):
            self.assertIn(file, content["files"])

    def test_models_config(self):
        message = model_server_config_pb2.ModelServerConfig()
        parsed = self._parsed("models.config", message)
        [model] = parsed.model_config_list.config
        self.assertEqual(model.name, "tiny")
        self.assertEqual(model.base_path, "/models/tiny")
        self.assertEqual(model.model_platform, "tensorflow")

    def test_batching_config(self):
        parsed = self._parsed("batching.config", _batching_parameters())
        self.assertEqual(parsed.max_batch_size.value, MAX_BATCH_SIZE)
        self.assertGreater(parsed.batch_timeout_micros.value, 0)
        self.assertGreater(parsed.max_enqueued_batches.value, 0)
        self.assertGreater(parsed.num_batch_threads.value, 0)

    def test_compose_mounts_what_is_there(self):
        self.assertEqual(self.service["image"], SERVER_IMAGE)
        self.assertRegex(SERVER_IMAGE, r":\d+\.\d+\.\d+$")
        inside = {}
        for volume in self.service["volumes"]:
            source = (self.kit / volume["source"]).resolve()
            self.assertTrue(volume["read_only"])
            inside[volume["target"]] = source
        self.assertTrue((inside["/models/tiny"] / "1/saved_model.pb").is_file())
        self._assert_flags(self.service["command"], inside)

    def test_readme_runs_what_is_there(self):
        text = (self.kit / "README.md").read_text(encoding="utf-8")
        [command] = re.findall(r"docker run.*?```", text, re.DOTALL)
        command = command.removesuffix("```").replace("\\\n", "")
        command = command.replace("$PWD", str(self.export))
        words = shlex.split(command)
        image = words.index(SERVER_IMAGE)
        inside = {}
        for index, word in enumerate(words):
            if word == "--mount":
                mount = dict(
                    part.partition("=")[::2]
                    for part in words[index + 1].split(",")
                )
                self.assertIn("readonly", mount)
                inside[mount["target"]] = pathlib.Path(mount["source"])
        self.assertTrue((inside["/models/tiny"] / "1/saved_model.pb").is_file())
        self._assert_flags(words[image + 1 :], inside)
        # Nobody else's business.
        for ports in (self.service["ports"], words):
            published = [word for word in ports if re.search(r":\d+$", word)]
            published = [word for word in published if word != SERVER_IMAGE]
            self.assertEqual(
                published, ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]
            )

    def _assert_flags(self, words, inside):
        given = dict(word[2:].split("=") for word in words)
        self.assertEqual(given["enable_batching"], "true")
        for flag in ("model_config_file", "batching_parameters_file"):
            folder, name = given[flag].rsplit("/", 1)
            self.assertTrue((inside[folder] / name).is_file())

    @parameterized.parameters(("tiny", 0), ("other", 1))
    def test_health_check_tells_whether_the_model_is_ready(self, name, status):
        *shell, script = self.service["healthcheck"]["test"][1:]
        port = stand_in().rest.rpartition(":")[2]
        script = script.replace("8501", port)
        script = script.replace("/models/tiny", f"/models/{name}")
        self.assertEqual(subprocess.run([*shell, script]).returncode, status)

    def test_health_check_fails_where_nothing_listens(self):
        *shell, script = self.service["healthcheck"]["test"][1:]
        done = subprocess.run(
            [*shell, script.replace("8501", "1")], stderr=subprocess.DEVNULL
        )
        self.assertNotEqual(done.returncode, 0)

    @parameterized.parameters(
        ("bagnet33", "bagnet33"),
        ("my model", "my-model"),
        ('a"b:c', "a-b-c"),
        ("v1.0_x-y", "v1.0_x-y"),
        # Docker's names begin with a letter or a digit and are no shorter.
        ("Übung", "bung"),
        ("_private", "private"),
        ("7", "model-7"),
        ("日本", "model"),
    )
    def test_name_fits_into_addresses(self, model, name):
        self.assertEqual(served_name(model), name)

    @parameterized.parameters("2026-11-26", "on", "7.5")
    def test_names_that_yaml_takes_for_something_else(self, model):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        metadata = {
            "formats": {"saved_model": {"path": "saved_model/1"}},
            "model": model,
            "labels": [],
        }
        with (
            mock.patch.object(kit, "write_warmup_requests"),
            mock.patch.object(kit, "replay_warmup_requests"),
        ):
            write_serving_kit(folder, metadata, np.zeros(1))
        text = (folder / "serving/compose.yaml").read_text(encoding="utf-8")
        self.assertEqual(list(yaml.safe_load(text)["services"]), [model])


class RefusedTest(absltest.TestCase):
    def test_needs_a_saved_model(self):
        metadata = {"formats": {"litert": {}}, "model": "tiny", "labels": []}
        with self.assertRaisesRegex(ValueError, "saved_model beside serving"):
            write_serving_kit(pathlib.Path("none"), metadata, np.zeros(1))
        with self.assertRaisesRegex(ValueError, "saved_model beside serving"):
            check_formats(["litert", "serving"])

    def test_missing_package_is_told_before_any_work(self):
        missing = {
            name: None
            for name in sys.modules
            if name.startswith("tensorflow_serving")
        }
        with mock.patch.dict(sys.modules, missing):
            with self.assertRaisesRegex(ValueError, r"pip install.*\[serving"):
                check_formats(["saved_model", "serving"])


if __name__ == "__main__":
    absltest.main()
