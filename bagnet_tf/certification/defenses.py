"""Which defences are there, and what can be set of each?"""

import dataclasses
import math
from typing import Any

DEFENSES = (
    "masking",
    "double_masking",
    "clipping",
    "voting",
    "detection",
)
FEATURES = ("logits", "confidence", "prediction")

# A cell speaks for a class that it gives at least this softmax probability.
# Source: Levine & Feizi, (De)Randomized Smoothing for Certifiable Defense
# against Patch Attacks, NeurIPS 2020, and PatchGuard's `prediction` features.
VOTE_THRESHOLD = 0.2

# What each defence reads; another setting would be silently without effect.
_SETTINGS = {
    "masking": ("threshold", "features", "clip", "offset"),
    "double_masking": (),
    "clipping": ("clip", "offset", "scale"),
    "voting": ("threshold",),
    "detection": ("threshold",),
}


@dataclasses.dataclass(frozen=True)
class Defense:
    """A rule that decides from patch logits, fixed before an attack.

    Attributes:
        name: One of `DEFENSES`.
        threshold: Of `masking`, T in [0, 1): a class loses its strongest
            window only if that holds a larger share of its evidence. Of
            `detection`, the confidence, 0..1, above which a masked decision
            that differs raises an alert. Both 0 by default. Of `voting`, the
            probability from which a cell votes, by default 0.2.
        features: Of `masking`, what is summed: `"logits"` (where positive),
            `"confidence"` (softmax of each patch) or `"prediction"` (1 where
            that is above 0.2).
        clip: Of `masking` with logits, and of `clipping`: patch logits are
            clipped to [0, clip]. None: not at all, or with tanh.
        offset: The gauge, logits: what is added to all patch logits of
            `masking` with logits and of `clipping` first. It shifts all
            classes alike, which changes no plain decision; so whoever fits it
            does so on training data, and it is part of the defence.
        scale: Of `clipping` with tanh: what shifted patch logits are
            multiplied with first. The published constants fit the published
            weights, whose patch logits are large.

    Raises:
        ValueError: If a setting is out of range, or is not read by this
            defence.
    """

    name: str = "masking"
    threshold: float | None = None
    features: str = "logits"
    clip: float | None = None
    offset: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuses what is no defence."""
        if self.name not in DEFENSES:
            raise ValueError(
                f"defense must be one of {', '.join(DEFENSES)}. "
                f"Received: defense={self.name!r}"
            )
        if self.features not in FEATURES:
            raise ValueError(
                f"features must be one of {', '.join(FEATURES)}. "
                f"Received: features={self.features!r}"
            )
        if self.threshold is None:
            default = VOTE_THRESHOLD if self.name == "voting" else 0.0
            object.__setattr__(self, "threshold", default)
        self._check_numbers()
        self._check_read()

    @property
    def has_gauge(self) -> bool:
        """Whether a map added to all classes changes the decision."""
        if self.name == "masking":
            return self.features == "logits"
        return self.name == "clipping"

    def settings(self) -> dict[str, Any]:
        """What was set, JSON-ready: the name and what the defence reads."""
        read = ("name", *_SETTINGS[self.name])
        return {key: getattr(self, key) for key in read}

    def _check_numbers(self):
        valid = {
            "threshold": 0 <= self.threshold < 1,
            "clip": self.clip is None or 0 < self.clip < math.inf,
            "offset": math.isfinite(self.offset),
            "scale": 0 < self.scale < math.inf,
        }
        accepted = {
            "threshold": "in [0, 1)",
            "clip": "a positive number of logits",
            "offset": "a number of logits",
            "scale": "a positive number",
        }
        if self.name == "voting" and self.threshold == 0:
            valid["threshold"] = False  # Every cell would vote for all.
            accepted["threshold"] = "in (0, 1) for voting"
        for key, is_valid in valid.items():
            if not is_valid:
                raise ValueError(
                    f"{key} must be {accepted[key]}. "
                    f"Received: {key}={getattr(self, key)!r}"
                )

    def _check_read(self):
        read = set(_SETTINGS[self.name])
        if self.features != "logits":
            read -= {"clip", "offset"}
        if self.clip is not None:
            read -= {"scale"}
        for field in dataclasses.fields(self)[2:]:
            value = getattr(self, field.name)
            if field.name not in read and value != field.default:
                raise ValueError(
                    f"{field.name} must be left out where it has no effect: "
                    f"{self.name} with features={self.features!r}, "
                    f"clip={self.clip}. Received: {field.name}={value!r}"
                )
        if self.threshold and "threshold" not in read:
            raise ValueError(
                f"threshold must be left out for {self.name}, which has none. "
                f"Received: threshold={self.threshold}"
            )
