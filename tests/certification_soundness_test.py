import itertools

import hypothesis
import numpy as np
from absl.testing import absltest, parameterized
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from bagnet_tf import PatchGeometry, certify
from tests.certification_helpers import DEFENSES, decision, windows_of

# A patch of 1 (2) pixels reaches 2 (3) cells; of 1 pixel with the other, 1.
_GEOMETRY = PatchGeometry(2, 1)
_CELL = PatchGeometry(1, 1)
# Loud and faint, and what is just masked or just not.
_VALUES = (-60.0, -1.0, 0.0, 0.4, 1.0, 2.0, 5.0, 60.0)


@strategies.composite
def _grids(draw):
    """Patch logits with a leading class, (1, rows, cols, classes)."""
    rows = draw(strategies.integers(3, 5))
    cols = draw(strategies.integers(3, 6))
    classes = draw(strategies.integers(2, 3))
    halves = draw(
        arrays.arrays(
            np.int8,
            (1, rows, cols, classes),
            elements={"min_value": -4} | {"max_value": 4},
        )
    )
    logits = halves.astype(np.float32) / 2
    logits[..., draw(strategies.integers(0, classes - 1))] += draw(
        strategies.sampled_from((0.0, 0.5, 1.0, 2.0, 6.0))
    )
    return logits


class SoundnessTest(parameterized.TestCase):
    @parameterized.named_parameters(*DEFENSES)
    def test_no_values_change_a_certified_decision(self, settings):
        counts = {False: 0, True: 0}

        @hypothesis.settings(
            max_examples=60, deadline=None, derandomize=True, database=None
        )
        @hypothesis.given(_grids(), strategies.data())
        def attack(logits, data):
            size = data.draw(strategies.sampled_from((1, (1, 2))))
            geometry = data.draw(strategies.sampled_from((_GEOMETRY, _CELL)))
            found = certify(logits, None, size, geometry, **settings)
            counts[bool(found.certified[0])] += 1
            if not found.certified[0]:
                return
            masks = list(windows_of(logits.shape[1:3], found.window))
            shape = found.window[0] * found.window[1], logits.shape[-1]
            for _ in range(3):
                mask = data.draw(strategies.sampled_from(masks))
                attacked = logits[0].copy()
                attacked[mask] = data.draw(
                    arrays.arrays(
                        np.float32,
                        shape,
                        elements=strategies.sampled_from(_VALUES),
                    )
                )
                decided = decision(attacked, found.window, **settings)
                self.assertIn(decided, (None, found.predictions[0]))

        attack()
        self.assertGreater(counts[True], 4)
        self.assertGreater(counts[False], 4)

    @parameterized.named_parameters(*DEFENSES)
    def test_all_values_in_one_cell(self, settings):
        # Exhaustive: every cell, every combination of values.
        rng = np.random.default_rng(11)
        logits = rng.normal(size=(16, 3, 4, 2)).astype(np.float32)
        logits[..., 0] += (np.linspace(0, 2.2, 16) ** 2)[:, None, None]
        found = certify(logits, None, 1, _CELL, **settings)
        broken = np.zeros(16, bool)
        for image, one in enumerate(logits):
            for row, col in np.ndindex(3, 4):
                for values in itertools.product(_VALUES, repeat=2):
                    attacked = one.copy()
                    attacked[row, col] = values
                    decided = decision(attacked, (1, 1), **settings)
                    broken[image] |= decided not in (
                        None,
                        found.predictions[image],
                    )
        self.assertFalse((broken & found.certified).any())
        self.assertTrue(found.certified.any())
        self.assertTrue(broken.any())  # The attack is one.


if __name__ == "__main__":
    absltest.main()
