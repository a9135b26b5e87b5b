"""How many images does a defence decide rightly, and how many provably?"""

import dataclasses
import itertools
import time
from collections.abc import Sequence

import numpy as np

from bagnet_tf.certification.certificate import certify
from bagnet_tf.certification.defenses import Defense
from bagnet_tf.geometry import PatchGeometry
from bagnet_tf.intervals import rate
from bagnet_tf.paired_comparison import mcnemar


@dataclasses.dataclass
class _Outcomes:
    """Of one defence and patch size, an array a batch."""

    window: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    clean: list[np.ndarray] = dataclasses.field(default_factory=list)
    certified: list[np.ndarray] = dataclasses.field(default_factory=list)
    alerts: list[np.ndarray] = dataclasses.field(default_factory=list)


class CertifiedAccuracy:
    """Counts over a split, batch by batch, for several defences and sizes.

    Example:
        >>> accuracy = CertifiedAccuracy([Defense()], [(16, 16)], geometry)
        >>> for _, labels, _, patch_logits in stored.batches():
        ...     accuracy.add(labels, patch_logits)
        >>> accuracy.result()["results"][0]["certified"]["value"]
    """

    def __init__(
        self,
        defenses: Sequence[Defense],
        patch_sizes: Sequence[tuple[int, int]],
        geometry: PatchGeometry,
    ):
        """Starts from no images.

        Args:
            defenses: Which defences.
            patch_sizes: (height, width) of the patches, input pixels.
            geometry: Receptive field and stride.
        """
        pairs = itertools.product(patch_sizes, defenses)
        self._outcomes = {pair: _Outcomes() for pair in pairs}
        self._geometry = geometry
        self._plain = 0
        self._count = 0

    def add(self, labels: np.ndarray, patch_logits: np.ndarray) -> None:
        """Adds a batch.

        Args:
            labels: Class ids, int (batch,).
            patch_logits: (batch, rows, cols, classes).

        Raises:
            ValueError: See `certify`.
        """
        decisions = patch_logits.mean(axis=(1, 2), dtype=np.float32).argmax(-1)
        self._plain += int((decisions == labels).sum())
        self._count += len(labels)
        for (size, defense), outcomes in self._outcomes.items():
            start = time.perf_counter()
            found = certify(patch_logits, labels, size, self._geometry, defense)
            outcomes.seconds += time.perf_counter() - start
            outcomes.window = found.window
            right = (found.predictions == labels) & ~found.alerts
            outcomes.clean.append(right)
            outcomes.certified.append(found.certified)
            outcomes.alerts.append(found.alerts)

    def result(self) -> dict:
        """What was counted, JSON-ready; of at least one image.

        Returns:
            `count`; `plain`, the accuracy of the mean of the patch logits,
            which has no certificate; `results`, of each patch size and
            defence `clean` (right on the images as they are; of `detection`,
            without an alert), `certified` (right, provably) and, of
            `detection`, `alerts` (false ones), all with their intervals; and
            `paired`, of each patch size double masking against each masking.
        """
        return {
            "count": self._count,
            "plain": rate(self._plain, self._count),
            "results": [self._row(*pair) for pair in self._outcomes],
            "paired": self._paired(),
        }

    def _row(self, size, defense) -> dict:
        outcomes = self._outcomes[size, defense]
        row = {
            "defense": defense.settings(),
            "patch_size": list(size),
            "window": list(outcomes.window),
            "clean": self._rate(outcomes.clean),
            "certified": self._rate(outcomes.certified),
        }
        if defense.name == "detection":
            row["alerts"] = self._rate(outcomes.alerts)
        milliseconds = 1000 * outcomes.seconds / self._count
        return row | {"milliseconds_an_image": milliseconds}

    def _rate(self, batches) -> dict:
        return rate(int(np.concatenate(batches).sum()), self._count)

    def _paired(self) -> list[dict]:
        found = []
        for (size, first), (other, second) in itertools.permutations(
            self._outcomes, 2
        ):
            names = first.name, second.name
            if size == other and names == ("double_masking", "masking"):
                found.append(self._comparison(size, first, second))
        return found

    def _comparison(self, size, *defenses) -> dict:
        one, two = (
            np.concatenate(self._outcomes[size, d].certified) for d in defenses
        )
        only = int((one & ~two).sum()), int((two & ~one).sum())
        return {
            "patch_size": list(size),
            "defenses": [d.settings() for d in defenses],
            "certified_by_the_first_only": only[0],
            "certified_by_the_second_only": only[1],
            "mcnemar_p": mcnemar(*only),
        }
