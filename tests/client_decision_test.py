"""Does a client tell what a model said, and notice what it cannot have said?"""

import pathlib
import tempfile

import numpy as np
from absl.testing import absltest, parameterized

from export.client.decision import check_answer, decide, probabilities
from tests.client_helpers import GRID, LABELS, answer, write_export


class DecisionTestCase(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)
        self.metadata = write_export(self.folder)


class DecideTest(DecisionTestCase):
    def test_softmax_by_hand(self):
        found = probabilities(np.float32([0, 1, -2]), "softmax")
        powers = [1, 2.718281828459045, 2.718281828459045**-2]
        np.testing.assert_allclose(found, np.array(powers) / sum(powers))
        self.assertEqual(found.dtype, np.float64)

    def test_sigmoid_by_hand(self):
        found = probabilities(np.float32([0, np.log(3), -np.log(3)]), "sigmoid")
        np.testing.assert_allclose(found, [0.5, 0.75, 0.25], rtol=1e-6)

    def test_large_logits_do_not_overflow(self):
        for head in ("softmax", "sigmoid"):
            found = probabilities(np.float32([1000, -1000]), head)
            np.testing.assert_array_equal(found, [1, 0])

    def test_unknown_head(self):
        with self.assertRaisesRegex(ValueError, "head must be.*head='relu'"):
            probabilities(np.zeros(2), "relu")

    def test_best_class(self):
        verdict = decide(np.array([0, 1, 3, 2, -1.0]), self.metadata)
        self.assertEqual((verdict.class_ids, verdict.title), ((2,), "dog"))

    def test_by_operating_thresholds(self):
        points = [{"class_id": 4, "threshold": 0.01}]
        metadata = write_export(
            self.folder, metrics={"operating_points": points}
        )
        verdict = decide(np.array([0, 1, 3, 2, -1.0]), metadata)
        self.assertEqual(verdict.title, "fox")

    def test_sigmoid_names_all_above_a_half(self):
        metadata = write_export(self.folder, head="sigmoid")
        verdict = decide(np.array([0.1, -1, 3, -2, -1.0]), metadata)
        self.assertEqual(verdict.class_ids, (2, 0))


class CheckAnswerTest(DecisionTestCase):
    def test_an_answer(self):
        check_answer(*answer(), self.metadata)

    def test_of_an_image_of_another_size(self):
        patch_logits = answer()[1][:2, :3]
        logits = patch_logits.mean(axis=(0, 1))
        check_answer(logits, patch_logits, self.metadata, (9, 13))
        with self.assertRaisesRegex(ValueError, r"\(5, 6, 5\).*\(2, 3, 5\)"):
            check_answer(logits, patch_logits, self.metadata)

    @parameterized.parameters(len(LABELS) - 1, len(LABELS) + 1, 1000)
    def test_wrong_label_count(self, classes):
        with self.assertRaisesRegex(
            ValueError,
            "5 classes of the metadata of 'tiny'.*another model. "
            rf"Received: logits.shape=\({classes},\)",
        ):
            check_answer(*answer(classes=classes), self.metadata)

    def test_transposed_grid(self):
        logits, patch_logits = answer()
        swapped = np.swapaxes(patch_logits, 0, 1)
        with self.assertRaisesRegex(ValueError, r"another model.*\(6, 5, 5\)"):
            check_answer(logits, swapped, self.metadata)

    def test_no_map_at_all(self):
        logits = answer()[0]
        with self.assertRaisesRegex(ValueError, r"patch_logits.shape=\(5,\)"):
            check_answer(logits, logits, self.metadata)

    @parameterized.product(which=(0, 1), value=(np.nan, np.inf, -np.inf))
    def test_not_finite(self, which, value):
        outputs = answer()
        outputs[which].flat[3] = value
        with self.assertRaisesRegex(ValueError, "must be finite"):
            check_answer(*outputs, self.metadata)

    def test_logits_of_another_image(self):
        with self.assertRaisesRegex(ValueError, "must be the means.*by up to"):
            check_answer(answer(1)[0], answer(2)[1], self.metadata)

    def test_a_file_of_8_bits_is_near_enough(self):
        logits, patch_logits = answer()
        largest = np.abs(patch_logits).max()
        check_answer(logits + 0.009 * largest, patch_logits, self.metadata)
        with self.assertRaisesRegex(ValueError, "must be the means"):
            check_answer(logits + 0.011 * largest, patch_logits, self.metadata)

    def test_evidence_of_nothing(self):
        check_answer(np.zeros(5), np.zeros((*GRID, 5)), self.metadata)


if __name__ == "__main__":
    absltest.main()
