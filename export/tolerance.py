"""How far may a file be from the model that it was made of?"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """How far a file may be from the model.

    Attributes:
        agreement: Largest error of logits, patch logits and class evidence, in
            units of the largest patch logit; None where rounding moves them
            all and only what a person would notice counts.
        additivity: Largest |mean of patch logits - logit|, in units of the
            largest logit; None likewise.
        probabilities: Their largest error against the head applied to the
            logits beside them.
        decision_agreement: Least share of images with the model's decision.
        contrast_correlation: Least median correlation of contrast maps.
    """

    agreement: float | None = 1e-4
    additivity: float | None = 1e-5
    probabilities: float = 1e-5
    decision_agreement: float = 0.0
    contrast_correlation: float = -1.0


EXACT = Tolerance()

# Of files whose rounding moves every number a little, though pooling and
# classifier are float32: the decisions and the maps must be the model's. Not
# stricter, because how often a network is undecided is its own affair.
ROUNDED = Tolerance(
    agreement=None,
    additivity=1e-4,
    decision_agreement=0.9,
    contrast_correlation=0.9,
)
