import numpy as np
from absl.testing import absltest, parameterized

from bagnet_tf import Defense, PatchGeometry, certify
from bagnet_tf.certification import fit_gauge
from tests.certification_helpers import grids

_GEOMETRY = PatchGeometry(3, 2)
_FREE = (
    ("confidence", {"features": "confidence"}),
    ("prediction", {"features": "prediction"}),
    ("double_masking", {"defense": "double_masking"}),
    ("voting", {"defense": "voting"}),
    ("detection", {"defense": "detection", "threshold": 0.3}),
)
_GAUGED = (
    ("masking", {}),
    ("masking_T", {"threshold": 0.2}),
    ("tanh", {"defense": "clipping", "scale": 20.0}),
    ("clip", {"defense": "clipping", "clip": 2.0}),
)


def _moved(logits):
    """The same decision: a map added to all classes alike."""
    shape = *logits.shape[:3], 1
    added = np.random.default_rng(1).normal(scale=3, size=shape)
    return logits + added.astype(np.float32)


def _both(settings):
    logits, labels = grids(21, (6, 7), images=60)
    moved = _moved(logits)
    return [
        certify(array, labels, 2, _GEOMETRY, **settings)
        for array in (logits, moved)
    ]


class GaugeTest(parameterized.TestCase):
    @parameterized.named_parameters(*_FREE)
    def test_without_a_gauge(self, settings):
        plain, moved = _both(settings)
        np.testing.assert_array_equal(plain.predictions, moved.predictions)
        np.testing.assert_array_equal(plain.certified, moved.certified)
        np.testing.assert_array_equal(plain.alerts, moved.alerts)
        self.assertTrue(plain.certified.any())
        self.assertFalse(plain.defense.has_gauge)

    @parameterized.named_parameters(*_GAUGED)
    def test_with_a_gauge(self, settings):
        plain, moved = _both(settings)
        self.assertTrue((plain.certified != moved.certified).any())
        self.assertTrue(plain.defense.has_gauge)

    @parameterized.named_parameters(*_GAUGED)
    def test_an_offset_is_added_to_all(self, settings):
        logits, labels = grids(22, (6, 7))
        offset = certify(logits, labels, 2, _GEOMETRY, offset=0.75, **settings)
        added = certify(logits + 0.75, labels, 2, _GEOMETRY, **settings)
        np.testing.assert_array_equal(offset.predictions, added.predictions)
        np.testing.assert_array_equal(offset.certified, added.certified)

    @parameterized.named_parameters(*_GAUGED)
    def test_fitted(self, settings):
        # In a bad gauge, from which the fit has to find back.
        train, labels = grids(23, (6, 7), images=60)
        test, test_labels = grids(24, (6, 7), images=60)
        train, test = train - 4, test - 4
        defense = Defense(
            **{"name": settings.get("defense", "masking")}
            | {
                key: value
                for key, value in settings.items()
                if key != "defense"
            }
        )
        fitted = fit_gauge(defense, train, labels, [1, 2], _GEOMETRY)
        before, after = (
            certify(test, test_labels, 2, _GEOMETRY, d).certified.sum()
            for d in (defense, fitted)
        )
        self.assertGreater(after, before)
        self.assertEqual(fitted.name, defense.name)
        self.assertEqual(fitted.threshold, defense.threshold)
        self.assertEqual(fitted.clip, defense.clip)

    def test_what_is_best_is_kept(self):
        # Class 0 has 1 everywhere, class 1 nothing: any offset only hurts.
        logits = np.zeros((2, 6, 6, 2), np.float32)
        logits[..., 0] = 1
        fitted = fit_gauge(
            Defense("masking"), logits, np.array([0, 0]), [1], _GEOMETRY
        )
        self.assertEqual(fitted, Defense("masking"))

    def test_nothing_to_fit(self):
        logits, labels = grids(25, (6, 7))
        with self.assertRaisesRegex(ValueError, "must have a gauge"):
            fit_gauge(Defense("voting"), logits, labels, [1], _GEOMETRY)
        with self.assertRaisesRegex(ValueError, "at least one image"):
            fit_gauge(Defense(), logits[:0], labels[:0], [1], _GEOMETRY)


if __name__ == "__main__":
    absltest.main()
