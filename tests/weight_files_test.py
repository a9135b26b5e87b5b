"""Do files of published weights give the reference's numbers?"""

import pathlib
import pickle
import sys
import tempfile
import zipfile
from unittest import mock

import h5py
import numpy as np
import pytest
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.weight_files import read_weights
from bagnet_tf.weights import LAYOUTS
from tests.shared_data import golden_state_dict, shared
from tests.small_models import compute
from tests.weight_file_helpers import (
    SMALL_CLASSES,
    SMALL_WIDTH,
    small_state_dict,
    write_tf2cv,
    zipped,
)

_TOLERANCE = 2e-5  # of the largest value of an array
_SIZE = (97, 131)  # the smaller one of the golden images


def _torch():
    return pytest.importorskip(
        "torch", reason="PyTorch files are written and read with torch."
    )


def _save_pytorch(path, state_dict, **kwargs):
    torch = _torch()
    tensors = {k: torch.from_numpy(np.array(v)) for k, v in state_dict.items()}
    torch.save(tensors, path, **kwargs)
    return path


def _write(folder, variant, kind):
    """Writes the golden weights of a variant as a file of this kind."""
    if kind in ("official", "pytorchcv"):
        path = folder / f"{variant}.pth.tar"
        return _save_pytorch(path, golden_state_dict(variant, kind))
    path = folder / f"{variant}.tf2.h5"
    write_tf2cv(path, variant, golden_state_dict(variant, "pytorchcv"))
    return zipped(path) if kind == "tf2cv_zip" else path


class FolderTestCase(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)


class GoldenTest(FolderTestCase):
    """Contract line 4, from a file to the outputs."""

    @parameterized.named_parameters(
        (f"{variant}_{kind}", variant, kind)
        for variant in bagnet_tf.ARCHITECTURES
        for kind in ("official", "pytorchcv", "tf2cv")
    )
    def test_outputs_of_the_reference(self, variant, kind):
        golden = np.load(shared("golden", f"{variant}.npz"))
        path = _write(self.folder, variant, kind)
        architecture = bagnet_tf.ARCHITECTURES[variant]
        model = bagnet_tf.BagNet(
            architecture, path, include_preprocessing=False
        )
        height, width = _SIZE
        rng = np.random.default_rng(height * 1000 + width + 6)
        images = rng.uniform(-2, 2, (2, height, width, 3)).astype("float32")
        outputs = compute(bagnet_tf.patch_logits_model(model), images)
        patch_logits = outputs["patch_logits"]
        arrays = {
            "grid_shape": np.array(patch_logits.shape),
            "patch_logits_first8": patch_logits[..., :8],
            "patch_logits_mean": patch_logits.mean(axis=(1, 2)),
        }
        for name, array in arrays.items():
            expected = golden[f"{height}x{width}/{name}"]
            with self.subTest(name):
                self.assertEqual(array.shape, expected.shape)
                error = np.abs(array - expected).max() / np.abs(expected).max()
                self.assertLess(error, _TOLERANCE)
        # The reference gives no logits at this size; they are the mean.
        np.testing.assert_allclose(
            outputs["logits"],
            arrays["patch_logits_mean"],
            atol=1e-5 * np.abs(outputs["logits"]).max(),
        )


class ReadTest(FolderTestCase):
    """What is told by the content of a file, and what is refused."""

    def _tf2cv(self, **kwargs):
        path = self.folder / "small.h5"
        write_tf2cv(path, "bagnet9", small_state_dict("pytorchcv"), **kwargs)
        return path

    def _model(self, weights=None, **kwargs):
        arguments = {"classes": SMALL_CLASSES, "width": SMALL_WIDTH} | kwargs
        return bagnet_tf.BagNet9(weights, **arguments)

    def assert_small_weights(self, model):
        """Every weight of the model is that of `small_state_dict`."""
        sums = [float(w.numpy().astype("f8").sum()) for w in model.weights]
        expected = [
            float(value.astype("f8").sum())
            for key, value in small_state_dict().items()
            if not key.endswith("num_batches_tracked")
        ]
        np.testing.assert_allclose(sorted(sums), sorted(expected), rtol=1e-12)
        kernel = model.get_layer("stage2_block1_conv2").kernel.numpy()
        original = small_state_dict()["layer2.0.conv2.weight"]
        np.testing.assert_array_equal(kernel, original.transpose(2, 3, 1, 0))
        kernel = model.get_layer("classifier").kernel.numpy()
        original = small_state_dict()["fc.weight"]
        np.testing.assert_array_equal(kernel, original.T)

    @parameterized.named_parameters(
        ("as_published", lambda name: name),
        ("no_prefix", lambda name: name.split("features/")[-1]
         if "features/" in name else name.split("bag_net/")[-1]),
        ("other_number", lambda name: name.replace("bag_net/", "bag_net_7/")),
        ("no_colon", lambda name: name.removesuffix(":0")),
    )  # fmt: skip
    def test_tf2cv_of_any_keras(self, rename):
        self.assert_small_weights(self._model(self._tf2cv(rename=rename)))

    def test_tf2cv_zip(self):
        self.assert_small_weights(self._model(zipped(self._tf2cv())))

    def test_zip_of_a_name_that_leads_elsewhere(self):
        path = zipped(self._tf2cv(), "../outside.h5")
        self.assert_small_weights(self._model(path))
        self.assertFalse((self.folder.parent / "outside.h5").exists())

    def test_content_counts_and_not_the_ending(self):
        path = self._tf2cv().rename(self.folder / "weights.pth")
        self.assert_small_weights(self._model(str(path)))

    @parameterized.parameters(".weights.h5", ".keras")
    def test_files_of_this_library(self, ending):
        original = self._model(self._tf2cv(), include_preprocessing=True)
        original.compile("sgd", "mse")
        path = self.folder / f"ours{ending}"
        if ending == ".keras":
            original.save(path)
        else:
            original.save_weights(path)
        model = self._model(path, include_preprocessing=False)
        for old, new in zip(original.weights, model.weights, strict=True):
            np.testing.assert_array_equal(old.numpy(), new.numpy())

    @parameterized.product(
        layout=("official", "pytorchcv"), new_format=(True, False)
    )
    def test_pytorch(self, layout, new_format):
        path = _save_pytorch(
            self.folder / "weights.pth",
            small_state_dict(layout),
            _use_new_zipfile_serialization=new_format,
        )
        self.assert_small_weights(self._model(path))

    def test_pytorch_checkpoint_of_a_training_script(self):
        torch = _torch()
        tensors = {
            f"module.{key}": torch.from_numpy(value)
            for key, value in small_state_dict().items()
        }
        path = self.folder / "checkpoint.pth.tar"
        torch.save({"epoch": 90, "state_dict": tensors}, path)
        self.assert_small_weights(self._model(path))

    def test_pytorch_runs_no_code_of_a_file(self):
        _torch()
        path, trace = self.folder / "evil.pth", self.folder / "trace"

        class Evil:
            def __reduce__(self):
                return pathlib.Path.touch, (trace,)

        path.write_bytes(pickle.dumps({"fc.weight": Evil()}))
        with self.assertRaisesRegex(ValueError, "whole file.*evil.pth"):
            read_weights(path)
        self.assertFalse(trace.exists())

    def test_without_torch_it_says_what_to_install(self):
        path = self.folder / "weights.pth"
        path.write_bytes(pickle.dumps({}))
        with mock.patch.dict(sys.modules, {"torch": None}):
            with self.assertRaisesRegex(ValueError, "^weights.*pip install"):
                read_weights(path)

    def test_without_torch_others_are_read(self):
        with mock.patch.dict(sys.modules, {"torch": None}):
            _, layout = read_weights(self._tf2cv())
        self.assertEqual(layout, LAYOUTS["tf2cv"])

    @parameterized.named_parameters(
        ("text", b"no weights", "none of these"),
        ("empty", b"", "none of these"),
        ("hdf5", b"\x89HDF\r\n\x1a\n and no more", ""),
        ("zip", b"PK\x03\x04 and no more", ""),
    )
    def test_damaged(self, content, reason):
        path = self.folder / "some.weights.h5"
        path.write_bytes(content)
        message = f"(?s)whole file.*{reason}.*Received: weights=.*some.weights"
        with self.assertRaisesRegex(ValueError, message):
            read_weights(path)

    @parameterized.parameters(".h5", ".h5.zip", ".pth")
    def test_truncated(self, ending):
        if ending == ".pth":
            path = self.folder / "weights.pth"
            path = _save_pytorch(path, small_state_dict())
        else:
            path = self._tf2cv()
            path = zipped(path) if ending == ".h5.zip" else path
        path.write_bytes(path.read_bytes()[:-1000])
        with self.assertRaisesRegex(ValueError, "weights must be in a whole"):
            read_weights(path)

    def test_archive_of_two_files(self):
        path = zipped(self._tf2cv())
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("other.h5", b"")
        with self.assertRaisesRegex(ValueError, "has 2 .h5 files"):
            read_weights(path)

    def test_weight_of_claimed_size_is_not_allocated(self):
        path = self.folder / "huge.h5"
        with h5py.File(path, "w") as file:
            shape = (1 << 20, 1 << 20)
            file.create_dataset("output1/kernel", shape, "f4", chunks=True)
        with self.assertRaisesRegex(ValueError, "output1/kernel has over"):
            read_weights(path)

    def test_two_weights_of_one_name(self):
        path = self.folder / "twice.h5"
        with h5py.File(path, "w") as file:
            file["a/output1/bias:0"] = file["b/output1/bias:0"] = np.zeros(3)
        with self.assertRaisesRegex(ValueError, "output1/bias is in it twice"):
            read_weights(path)


if __name__ == "__main__":
    absltest.main()
