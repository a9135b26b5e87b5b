"""A server of another model, or one that answers nonsense, is found out."""

import dataclasses
import json

import numpy as np
from absl.testing import absltest, parameterized

from export.client.metadata import read_metadata
from tests.export_helpers import SIZE, random_images
from tests.serving_helpers import (
    ServedModelTestCase,
    encoded,
    exported,
    photo,
    with_protocols,
)
from tests.serving_stand_in_rest import Raw

_PROTOCOLS = (("rest", "rest"), ("grpc", "grpc"))


class AnotherModelTest(ServedModelTestCase):
    @with_protocols(
        ("labels", {"labels": ("a", "b")}, r"its logits is of shape .*, 5\)"),
        ("size", {"input_size": (30, 30), "any_size": False}, None),
        ("channels", {"channels": 1}, r"its image is .*, 3\), not .*, 1\)"),
    )
    def test_metadata_of_another_model(self, protocol, changes, pattern):
        metadata = dataclasses.replace(read_metadata(exported()), **changes)
        client = self.served(protocol, metadata=metadata)
        if pattern is None:  # A model of any size takes this one too.
            client.check()
            return
        self.assert_fails(
            f"does not serve the model of the metadata.*{pattern}", client.check
        )

    @with_protocols(
        ("of_fixed_size", "image", 1, 224, "its image is of shape"),
        ("another_grid", "patch_logits", 1, 9, "its patch_logits is of shape"),
        ("rank", "logits", None, 1, "its logits is of shape"),
    )
    def test_signature_does_not_fit(self, protocol, name, axis, size, pattern):
        side = "inputs" if name == "image" else "outputs"

        def change_message(found):
            tensor = getattr(found.signature_def["patch_logits"], side)[name]
            if axis is None:
                tensor.tensor_shape.dim.add(size=size)
            else:
                tensor.tensor_shape.dim[axis].size = size
            return found

        def change_json(found):
            definitions = found["metadata"]["signature_def"]["signature_def"]
            tensor = definitions["patch_logits"][side][name]
            if axis is None:
                tensor["tensor_shape"]["dim"].append({"size": str(size)})
            else:
                tensor["tensor_shape"]["dim"][axis]["size"] = str(size)
            return found

        change = change_json if protocol == "rest" else change_message
        self.server.faults.append(change)
        self.assert_fails(pattern, self.served(protocol).check)

    @parameterized.named_parameters(*_PROTOCOLS)
    def test_signature_is_missing(self, protocol):
        def change(found):
            if protocol == "rest":
                definitions = found["metadata"]["signature_def"]
            else:
                definitions = found
            definitions = (
                definitions["signature_def"]
                if protocol == "rest"
                else definitions.signature_def
            )
            del definitions["image_bytes"]
            return found

        self.server.faults.append(change)
        self.assert_fails(
            "no signature image_bytes but .*class_evidence, patch_logits",
            self.served(protocol).check,
            "image_bytes",
        )

    @parameterized.parameters(
        {},
        {"metadata": {}},
        {"metadata": {"signature_def": {"signature_def": 3}}},
        {"metadata": []},
    )
    def test_metadata_that_is_none(self, **answer):
        self.server.faults.append(lambda found: answer)
        self.assert_fails("no model metadata", self.served("rest").check)

    @parameterized.parameters(
        {"inputs": {"image": {}}, "outputs": {}},
        {"inputs": {"image": {"tensor_shape": {"dim": [{}]}}}, "outputs": {}},
        {
            "inputs": {"image": {"tensor_shape": {"dim": [{"size": np.inf}]}}},
            "outputs": {},
        },
        {"inputs": 3},
    )
    def test_signature_that_is_none(self, **signature):
        found = {"signature_def": {"patch_logits": signature}}
        content = {"metadata": {"signature_def": found}}
        self.server.faults.append(lambda answer: content)
        self.assert_fails("makes no sense", self.served("rest").check)


class WrongAnswersTest(ServedModelTestCase):
    @with_protocols(
        ("nan", "logits", lambda v: v * np.nan, "must be finite"),
        ("infinite", "patch_logits", lambda v: v / 0, "must be finite"),
        ("classes", "logits", lambda v: v[:, :4], r"\(1, 4\), not \(1, 5\)"),
        ("batch", "logits", lambda v: v[[0, 0]], r"\(2, 5\), not \(1, 5\)"),
        ("grid", "patch_logits", lambda v: v[:, 1:], "patch_logits of shape"),
        ("rank", "patch_logits", lambda v: v[0], "patch_logits of shape"),
        ("number", "logits", lambda v: np.float32(3), "logits of shape"),
        ("words", "logits", lambda v: np.array(["?"]), "logits that is no arr"),
        ("not_additive", "logits", lambda v: v + 9, "means of patch_logits"),
    )
    def test_output(self, protocol, name, change, pattern):
        def changed(outputs):
            with np.errstate(all="ignore"):
                return {**outputs, name: change(outputs[name])}

        self.server.faults.append(changed)
        client = self.served(protocol)
        self.assert_fails(pattern, client.predict, random_images(1, SIZE))
        self.assertLen(self.server.requests, 1)  # Asking again is no use.

    @with_protocols(("", ""))
    def test_answers_of_many_megabytes_arrive(self, protocol, _):
        # gRPC refuses more than 4 MB unless told.
        large = np.zeros((1, 5, 6, 50_000), np.float32)
        self.server.faults.append(
            lambda outputs: {**outputs, "patch_logits": large}
        )
        client = self.served(protocol)
        self.assert_fails(
            r"\(1, 5, 6, 50000\), not", client.predict, random_images(1, SIZE)
        )

    @with_protocols(("logits", "logits"), ("image", "image"))
    def test_output_is_missing(self, protocol, name):
        self.server.faults.append(
            lambda outputs: {k: v for k, v in outputs.items() if k != name}
        )
        client = self.served(protocol)
        file = encoded(photo())
        self.assert_fails(
            f"{name} (that is no array|of shape)",
            client.predict_encoded,
            [file],
        )

    @parameterized.named_parameters(*_PROTOCOLS)
    def test_image_beyond_its_range(self, protocol):
        self.server.faults.append(
            lambda outputs: {
                **outputs,
                "image": outputs["image"].astype(np.int32) + 9999,
            }
        )
        client = self.served(protocol)
        file = encoded(photo())
        self.assert_fails("beyond 0-255", client.predict_encoded, [file])

    @parameterized.named_parameters(*_PROTOCOLS)
    def test_file_that_is_no_image(self, protocol):
        client = self.served(protocol)
        files = [encoded(photo()), b"<html>"]
        self.assert_fails(
            r"does not accept the request.*begin like none:\] \[1\]",
            client.predict_encoded,
            files,
        )

    @parameterized.named_parameters(
        (
            "html",
            Raw(200, "text/html", b"<!doctype html>"),
            "text/html that is",
        ),
        ("empty", Raw(200, "", b""), "something that is no whole JSON"),
        (
            "truncated",
            Raw(200, "application/json", b'{"outputs": {"log'),
            "no wh",
        ),
        ("list", Raw(200, "application/json", b"[1]"), "is no object"),
        ("no_utf8", Raw(200, "text/plain", b"\xff\xfe\x00"), "no whole JSON"),
        (
            "no_outputs",
            Raw(200, "application/json", b"{}"),
            "without 'outputs'",
        ),
        (
            "uneven",
            Raw(
                200, "", json.dumps({"outputs": {"logits": [[1], []]}}).encode()
            ),
            "logits that is no array",
        ),
        (
            "null",
            Raw(200, "", json.dumps({"outputs": {"logits": None}}).encode()),
            "logits that is no array",
        ),
        (
            "proxy",
            Raw(500, "text/html", b"<html>Oops"),
            "HTTP 500 and '<html>O",
        ),
        ("moved", Raw(302, "text/html", b""), r"failed \(HTTP 302"),
        (
            "teapot",
            Raw(418, "application/json", b'{"error": 3}'),
            "HTTP 418: 3",
        ),
        ("forbidden", Raw(403, "", b'{"error": "go\\naway"}'), "403: go away"),
    )
    def test_reply_over_rest(self, reply, pattern):
        self.server.faults.append(reply)
        client = self.served("rest")
        self.assert_fails(pattern, client.predict, random_images(1, SIZE))
        self.assertLen(self.server.requests, 1)


if __name__ == "__main__":
    absltest.main()
