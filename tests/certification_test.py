import dataclasses

import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf import PatchGeometry, certify
from bagnet_tf.certification import Defense, windows
from tests.certification_helpers import (
    DEFENSES,
    decision,
    grids,
    is_certified,
)
from tests.shared_data import shared

_GOLDEN = ("bagnet9_96_p12", "bagnet17_224_p32", "bagnet33_224_p32")
_GOLDEN += ("bagnet17_rect",)
# Receptive field 3, stride 2: a patch of 2 (6) pixels reaches 2 (4) cells.
_GEOMETRY = PatchGeometry(3, 2)


class GoldenTest(parameterized.TestCase):
    def _case(self, name):
        arrays = np.load(shared("golden", "patchguard.npz"))
        prefix = name + "/"
        case = {
            key.removeprefix(prefix): arrays[key]
            for key in arrays
            if key.startswith(prefix)
        }
        patch, field = case["patch_px_rf_px"].tolist()
        return case, patch, PatchGeometry(field, 8)

    @parameterized.product(name=_GOLDEN, threshold=(0.0, 0.3))
    def test_masking(self, name, threshold):
        case, patch, geometry = self._case(name)
        found = certify(
            case["patch_logits"],
            case["labels"],
            patch,
            geometry,
            threshold=threshold,
        )
        self.assertEqual(found.window, tuple(case["window"]))
        published = f"masking_T{threshold}/"
        np.testing.assert_array_equal(
            found.predictions, case[published + "prediction"]
        )
        np.testing.assert_array_equal(
            found.certified, case[published + "outcome"] == 2
        )

    @parameterized.parameters(*_GOLDEN)
    def test_clipping(self, name):
        # Theirs tests only the runner-up: ours may certify less.
        case, patch, geometry = self._case(name)
        logits = case["patch_logits"] * case["cbn/scale"]
        found = certify(logits, case["labels"], patch, geometry, "clipping")
        np.testing.assert_array_equal(found.predictions, case["cbn/prediction"])
        theirs = case["cbn/outcome_runner_up_only"] == 2
        self.assertTrue((found.certified <= theirs).all())
        self.assertTrue(found.certified.any())

    @parameterized.parameters(
        (_GOLDEN[0], 18), (_GOLDEN[1], 16), (_GOLDEN[2], 17)
    )
    def test_double_masking_certifies_more(self, name, count):
        case, patch, geometry = self._case(name)
        found = certify(
            case["patch_logits"],
            case["labels"],
            patch,
            geometry,
            defense="double_masking",
        )
        self.assertEqual(found.certified.sum(), count)


class ReferenceTest(parameterized.TestCase):
    @parameterized.named_parameters(*DEFENSES)
    def test_equals_loops_over_windows(self, settings):
        kinds = set()
        for seed, shape in enumerate([(6, 6), (4, 9), (7, 5)]):
            logits, labels = grids(seed, shape)
            for size in (1, (4, 2)):
                found = certify(logits, labels, size, _GEOMETRY, **settings)
                for index, label in enumerate(labels):
                    self._check(found, index, logits[index], label, settings)
                kinds |= set(found.certified.tolist())
        self.assertEqual(kinds, {False, True})

    def _check(self, found, index, logits, label, settings):
        decided = decision(logits, found.window, **settings)
        if decided is None:
            self.assertTrue(found.alerts[index])
            decided = logits.mean(axis=(0, 1)).argmax()
        else:
            self.assertFalse(found.alerts[index])
        self.assertEqual(found.predictions[index], decided)
        proven = is_certified(logits, label, found.window, **settings)
        self.assertEqual(found.certified[index], proven)

    @parameterized.named_parameters(
        *(d for d in DEFENSES if d[1]["defense"] == "masking")
    )
    def test_of_many_classes_few_matter(self, settings):
        # Few enough to be picked one by one, and some that come close.
        logits, labels = grids(10, (5, 6), classes=70, images=16)
        rivals = (labels + 1) % 70
        place = np.arange(len(labels))
        logits[place, :, :, rivals] += np.linspace(0, 3, 16)[:, None, None]
        found = certify(logits, labels, 2, _GEOMETRY, **settings)
        for index, label in enumerate(labels):
            self._check(found, index, logits[index], label, settings)

    @parameterized.named_parameters(*DEFENSES)
    def test_without_labels_the_decision_is_certified(self, settings):
        logits, labels = grids(7, (5, 6))
        bare = certify(logits, None, 2, _GEOMETRY, **settings)
        again = certify(logits, bare.predictions, 2, _GEOMETRY, **settings)
        np.testing.assert_array_equal(bare.certified, again.certified)
        labelled = certify(logits, labels, 2, _GEOMETRY, **settings)
        right = bare.predictions == labels
        np.testing.assert_array_equal(
            labelled.certified, bare.certified & right
        )

    @parameterized.named_parameters(*DEFENSES)
    def test_in_parts(self, settings):
        logits, labels = grids(8, (5, 6), images=7)
        whole = certify(logits, labels, 2, _GEOMETRY, **settings)
        with absltest.mock.patch.object(windows, "_MOST_VALUES", 700):
            parts = certify(logits, labels, 2, _GEOMETRY, **settings)
        np.testing.assert_array_equal(whole.predictions, parts.predictions)
        np.testing.assert_array_equal(whole.certified, parts.certified)

    def test_double_masking_on_a_second_look(self):
        # One window of sixteen hides what speaks for class 0, and no second one
        # brings class 0 back: that one decides.
        logits = np.zeros((1, 4, 4, 2), np.float32)
        logits[..., 1] = 0.1
        logits[0, 0, 0, 0] = 50
        found = certify(
            logits, None, 1, PatchGeometry(1, 1), defense="double_masking"
        )
        self.assertEqual(found.predictions.tolist(), [1])
        masking = certify(logits, None, 1, PatchGeometry(1, 1))
        self.assertEqual(masking.predictions.tolist(), [1])

    def test_a_cell_votes_from_the_threshold_on(self):
        # Three cells of two classes, one half each; two of the third class.
        logits = np.zeros((1, 1, 5, 3), np.float32)
        logits[0, 0, :3, 2] = -99
        logits[0, 0, 3:, 2] = 99
        for threshold, decided in ((0.5, 0), (0.5001, 2)):
            found = certify(
                logits,
                None,
                1,
                PatchGeometry(1, 1),
                defense="voting",
                threshold=threshold,
            )
            self.assertEqual(found.predictions.tolist(), [decided])

    def test_ties_count_against_the_certificate(self):
        logits = np.zeros((1, 4, 4, 3), np.float32)
        for _, settings in DEFENSES:
            found = certify(logits, None, 1, _GEOMETRY, **settings)
            self.assertFalse(found.certified.any())

    def test_smaller_patches_are_certified_too(self):
        logits, labels = grids(9, (8, 8), images=80)
        for _, settings in DEFENSES:
            certified = [
                certify(logits, labels, size, _GEOMETRY, **settings).certified
                for size in (1, (2, 4), 5, 17)
            ]
            for small, large in zip(certified, certified[1:], strict=False):
                self.assertTrue((large <= small).all(), settings)
            self.assertFalse(certified[-1].any())  # It covers all.


class ArgumentsTest(parameterized.TestCase):
    @parameterized.named_parameters(
        ("rank", np.zeros((3, 3, 2)), None, "patch_logits must be"),
        ("nan", np.full((1, 3, 3, 2), np.nan), None, "finite"),
        ("count", np.zeros((2, 3, 3, 2)), [0], "labels must be one"),
        ("floats", np.zeros((1, 3, 3, 2)), [0.0], "labels must be one"),
        ("range", np.zeros((1, 3, 3, 2)), [2], r"labels must be in 0..1"),
    )
    def test_arrays(self, logits, labels, message):
        with self.assertRaisesRegex(ValueError, message):
            certify(logits, labels, 1, _GEOMETRY)

    @parameterized.parameters(
        ({"defense": "mask"}, "defense must be one of masking, double"),
        ({"threshold": 1.0}, r"threshold must be in \[0, 1\)"),
        ({"threshold": float("nan")}, r"threshold must be in \[0, 1\)"),
        ({"defense": "voting", "threshold": 0.0}, r"in \(0, 1\) for voting"),
        ({"defense": "double_masking", "threshold": 0.1}, "left out"),
        ({"defense": "voting", "offset": 1.0}, "offset must be left out"),
        ({"features": "confidence", "clip": 1.0}, "clip must be left out"),
        ({"scale": 2.0}, "scale must be left out"),
        ({"defense": "clipping", "clip": -1.0}, "clip must be a positive"),
        ({"features": "evidence"}, "features must be one of logits"),
        ({"defense": Defense(), "threshold": 0.5}, "belong into the Defense"),
    )
    def test_settings(self, settings, message):
        with self.assertRaisesRegex(ValueError, message):
            certify(np.zeros((1, 3, 3, 2)), None, 1, _GEOMETRY, **settings)

    def test_a_defense_says_what_it_reads(self):
        self.assertEqual(
            Defense("voting").settings(), {"name": "voting", "threshold": 0.2}
        )
        defense = dataclasses.replace(Defense("clipping"), offset=2.0)
        self.assertEqual(defense.settings()["offset"], 2.0)

    def test_no_images(self):
        found = certify(np.zeros((0, 3, 3, 2)), None, 1, _GEOMETRY)
        self.assertEqual(found.certified.shape, (0,))


if __name__ == "__main__":
    absltest.main()
