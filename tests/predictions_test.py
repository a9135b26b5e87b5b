"""Are the best classes of each image found and named?"""

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf import decode_predictions


class DecodePredictionsTest(parameterized.TestCase):
    def test_imagenet(self):
        scores = np.zeros((2, 1000), np.float32)
        scores[0, [2, 0]] = 3, 5
        scores[1, 999] = 0.5
        first, second = decode_predictions(scores, top=2)
        self.assertEqual(
            first,
            [
                ("n01440764", "tench", 5.0),
                ("n01484850", "great white shark", 3.0),
            ],
        )
        self.assertEqual(second[0], ("n15075141", "toilet tissue", 0.5))

    def test_labels(self):
        scores = [[0.1, 0.7, 0.2]]
        result = decode_predictions(scores, top=2, labels=["a", "b", "c"])
        self.assertEqual(result, [[(1, "b", 0.7), (2, "c", 0.2)]])

    def test_top_is_five_or_all(self):
        self.assertLen(decode_predictions(np.zeros((1, 1000)))[0], 5)
        result = decode_predictions([[1.0, 2.0]], labels=["a", "b"])
        self.assertEqual(result, [[(1, "b", 2.0), (0, "a", 1.0)]])

    def test_equal_scores_in_the_order_of_the_classes(self):
        scores = np.arange(1000)[np.newaxis] % 2
        labels = [str(index) for index in range(1000)]
        result = decode_predictions(scores, top=500, labels=labels)[0]
        self.assertEqual([i for i, _, _ in result], list(range(1, 1000, 2)))

    def test_unsigned_scores(self):
        scores = np.array([[0, 200, 100]], np.uint8)
        result = decode_predictions(scores, top=1, labels=["a", "b", "c"])
        self.assertEqual(result, [[(1, "b", 200.0)]])

    def test_no_images(self):
        self.assertEqual(decode_predictions(np.zeros((0, 1000))), [])

    @parameterized.named_parameters(
        ("one_image_alone", np.zeros(1000), {}, r"\(1000,\)"),
        ("patch_logits", np.zeros((1, 2, 2, 1000)), {}, r"\(1, 2, 2, 1000\)"),
        ("other_classes", np.zeros((1, 10)), {}, r"1000.*\(1, 10\)"),
        ("labels", np.zeros((1, 3)), {"labels": ["a"]}, r"1\).*\(1, 3\)"),
        ("nan", np.full((1, 1000), np.nan), {}, "finite"),
        ("text", [["a"] * 1000], {}, "numbers"),
        ("ragged", [[1.0], [1.0, 2.0]], {}, "numbers"),
        ("top_zero", np.zeros((1, 1000)), {"top": 0}, "top=0"),
        ("top_fraction", np.zeros((1, 1000)), {"top": 2.5}, "top=2.5"),
    )
    def test_refused(self, predictions, arguments, message):
        with self.assertRaisesRegex(ValueError, f"(?s)must.*{message}"):
            decode_predictions(predictions, **arguments)


if __name__ == "__main__":
    absltest.main()
