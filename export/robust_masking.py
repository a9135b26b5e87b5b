"""How does an exported file decide robustly against a patch?

By the defence `masking` of `bagnet_tf.certify`, from its own patch logits.
"""

import dataclasses

import tensorflow as tf

from bagnet_tf.certification.defenses import Defense
from bagnet_tf.certification.features import features_of
from bagnet_tf.certification.rounding import margin_of
from bagnet_tf.certification.windows import box_sums, window_shape
from bagnet_tf.geometry import PatchGeometry

_DEFENSE = Defense("masking")


@dataclasses.dataclass(frozen=True)
class RobustMasking:
    """A class is worth what it has left without its strongest window.

    Attributes:
        patch_size: (height, width) of the largest patch, pixels of the
            model's input.
        geometry: Of the model.
    """

    patch_size: tuple[int, int]
    geometry: PatchGeometry

    @property
    def window(self) -> tuple[int, int]:
        """(rows, cols) of the window; in a smaller grid it is all there is."""
        # One cell a pixel is more than any patch reaches.
        grid_shape = tuple(
            side + self.geometry.receptive_field for side in self.patch_size
        )
        return window_shape(self.patch_size, self.geometry, grid_shape)

    def logits(self, patch_logits: tf.Tensor) -> tf.Tensor:
        """What each class has left.

        Args:
            patch_logits: Float32 (batch, rows, cols, classes); rows and cols
                may be unknown until the graph runs.

        Returns:
            Float32 (batch, classes), at least 0: sums over the grid of
            positive patch logits, the window with the largest sum left out.
            Their argmax is the prediction of `bagnet_tf.certify`.
        """
        evidence = features_of(patch_logits, _DEFENSE).values
        totals = tf.reduce_sum(evidence, axis=(1, 2))
        sums = self._window_sums(evidence)
        left = totals - tf.reduce_max(sums, axis=(1, 2))
        # Of evidence in one window alone rounding is left: in the library too
        # that decides nothing.
        margin = margin_of(totals)[:, None]
        return tf.where(left > margin, left, 0.0)

    def to_json(self) -> dict:
        """What a client must know to state the guarantee, for JSON."""
        return {
            "defense": _DEFENSE.name,
            "patch_size": list(self.patch_size),
            "window": list(self.window),
        }

    def _window_sums(self, evidence):
        sides = evidence.shape[1:3]
        if None not in sides:
            window = map(min, self.window, sides)
            return box_sums(evidence, tuple(window))
        # Pooling takes no window whose size is known only when it runs. Zeros
        # at the end of a smaller grid make one window of all its cells.
        lacking = tf.maximum(self.window - tf.shape(evidence)[1:3], 0)
        padding = [[0, 0], [0, lacking[0]], [0, lacking[1]], [0, 0]]
        return box_sums(tf.pad(evidence, padding), self.window)
