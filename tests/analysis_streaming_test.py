"""A run that was interrupted goes on; every image is seen once, in order."""

import json
import pathlib
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf.analysis.partial import PartialResults
from bagnet_tf.analysis.streaming import each_image, images_at
from tests.analysis_helpers import classifier_of, noise_source, request_of
from tests.small_models import tiny_model


class PartialResultsTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.path = pathlib.Path(folder) / "new" / "partial.jsonl"

    def test_goes_on_with_what_was_found(self):
        with PartialResults(self.path, {"seed": 1}) as partial:
            partial.add("one", [1, (2, 3)])
            partial.add("other", [{"a": None}])
        with PartialResults(self.path, {"seed": 1}) as partial:
            self.assertEqual(partial.values("one"), [1, [2, 3]])
            self.assertEqual(partial.values("other"), [{"a": None}])
            self.assertEqual(partial.values("third"), [])
            partial.add("one", [4])
        with PartialResults(self.path, {"seed": 1}) as partial:
            self.assertEqual(partial.values("one"), [1, [2, 3], 4])
            partial.remove()
        self.assertFalse(self.path.exists())

    @parameterized.parameters(1, 5, 20)
    def test_a_line_that_was_cut_off_is_dropped(self, cut):
        with PartialResults(self.path, {}) as partial:
            partial.add("one", ["first", "second"])
        content = self.path.read_bytes()
        self.path.write_bytes(content[: -1 - cut])
        with PartialResults(self.path, {}) as partial:
            self.assertEqual(partial.values("one"), ["first"])
            partial.add("one", ["again"])
        with PartialResults(self.path, {}) as partial:
            self.assertEqual(partial.values("one"), ["first", "again"])

    def test_other_facts_are_refused_by_name(self):
        facts = {"seed": 1, "split": "a", "x": ()}
        with PartialResults(self.path, facts) as partial:
            partial.add("one", [1])
        before = self.path.read_bytes()
        with self.assertRaisesRegex(ValueError, "; seed, split changed"):
            PartialResults(self.path, {"seed": 2, "x": []})
        self.assertEqual(self.path.read_bytes(), before)

    def test_nothing_is_written_before_something_is_found(self):
        with PartialResults(self.path, {"seed": 1}) as partial:
            partial.remove()
        self.assertFalse(self.path.parent.exists())

    def test_overwrite_starts_anew(self):
        with PartialResults(self.path, {"seed": 1}) as partial:
            partial.add("one", [1])
        with PartialResults(self.path, {"seed": 2}, overwrite=True) as partial:
            self.assertEqual(partial.values("one"), [])
            partial.add("one", [2])
        header, *_ = self.path.read_text().splitlines()
        self.assertEqual(json.loads(header), {"seed": 2})
        # The same command goes on, also if it may overwrite.
        with PartialResults(self.path, {"seed": 2}, overwrite=True) as partial:
            self.assertEqual(partial.values("one"), [2])

    def test_no_number_is_refused(self):
        with PartialResults(self.path, {}) as partial:
            with self.assertRaisesRegex(ValueError, "JSON"):
                partial.add("one", [float("nan")])
            self.assertEqual(partial.values("one"), [])


class EachImageTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.source = noise_source(11)
        classifier = classifier_of(tiny_model())
        self.request = request_of(self, [classifier], self.source)
        self.images = self.source._arrays["image"]
        self.labels = self.source._arrays["label"]

    def _seen(self, batch):
        return [
            [int(index), int(label), identifier.decode(), int(image.sum())]
            for index, label, identifier, image in zip(
                *(batch[k] for k in ("index", "label", "id", "image")),
                strict=True,
            )
        ]

    def _expected(self, indices):
        return [
            [i, self.labels[i], str(i), self.images[i].sum()] for i in indices
        ]

    def test_all_images_in_order(self):
        found = each_image(self.request, "a", self._seen, batch_size=4)
        self.assertEqual(found, self._expected(range(11)))

    def test_goes_on_after_an_interruption(self):
        batches = []

        def interrupted(batch):
            if len(batches) == 2:
                raise KeyboardInterrupt
            batches.append(batch["index"].tolist())
            return self._seen(batch)

        with self.assertRaises(KeyboardInterrupt):
            each_image(self.request, "a", interrupted, batch_size=3)
        self.assertEqual(batches, [[0, 1, 2], [3, 4, 5]])
        rest = []

        def going_on(batch):
            rest.extend(batch["index"].tolist())
            return self._seen(batch)

        found = each_image(self.request, "a", going_on, batch_size=4)
        self.assertEqual(rest, [6, 7, 8, 9, 10])
        self.assertEqual(found, self._expected(range(11)))
        each_image(self.request, "a", self.fail)  # All is known.

    def test_at_another_size(self):
        shapes = []
        each_image(
            self.request,
            "a",
            lambda b: shapes.append(b["image"].shape) or self._seen(b),
            image_size=(12, 16),
        )
        self.assertEqual(shapes, [(11, 12, 16, 3)])

    def test_images_again_by_their_indices(self):
        found = images_at(self.request, [7, 2, 7])
        self.assertCountEqual(found, [2, 7])
        for index, example in found.items():
            np.testing.assert_array_equal(example["image"], self.images[index])
            self.assertEqual(example["label"], self.labels[index])
        self.assertEqual(images_at(self.request, []), {})


if __name__ == "__main__":
    absltest.main()
