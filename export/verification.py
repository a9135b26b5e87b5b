"""Do the written files compute what the model computes?

Every file is run by its own runtime on real images and compared with the
Keras model.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping

import keras
import numpy as np

from bagnet_tf.evidence import patch_logits_model
from bagnet_tf.heads import probabilities_of

from .client.signature_names import ROBUST_LOGITS
from .fidelity import (
    contrast_maps,
    decisions,
    map_correlations,
    patch_agreement,
    stated_decisions,
)
from .robust_agreement import RobustAgreement, RobustComparison
from .robust_masking import RobustMasking
from .tolerance import EXACT, Tolerance

_CLASSES_ASKED = 3

# Runs one file on (images uint8, class_ids int32); outputs by
# `signature.output`. Its list `seconds`, if it has one, gains for each image
# how long the signature `patch_logits` took.
Runner = Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Verification:
    """How far a file is from the model.

    Attributes:
        artefact: The file or folder, relative to the export.
        num_images: Number of images compared.
        largest_logit: Largest |logit| of the model.
        largest_patch_logit: Largest |patch logit| of the model.
        errors: Largest |difference| by `signature.output`: from the model;
            for probabilities, from what the head makes of the logits beside
            them, or of the model's where the file has none.
            Infinite where shapes differ, NaN where an output is no number.
        additivity_error: Largest |mean of patch logits - logit|, logits.
        decision_agreement: Share of images with the model's decision: its
            best class or, of a sigmoid head, all classes with logits above 0.
        patch_agreement: Share of patches that speak for the class that they
            speak for in the model.
        contrast_correlation: Of the contrast maps (best class minus second)
            of file and model: the median over the images; None if the maps
            have a single patch, or the file has none.
        contrast_correlation_p5: Likewise the 5th percentile.
        milliseconds: Median time of an image, patch logits included; None if
            the runner took no times.
        tolerance: What is allowed.
        robust: How robust logits compare with the library's decisions; None
            if the file has none.
        problem: Why the file could not be run, if so.
    """

    artefact: str
    num_images: int
    largest_logit: float
    largest_patch_logit: float
    errors: Mapping[str, float]
    additivity_error: float
    decision_agreement: float
    patch_agreement: float | None
    contrast_correlation: float | None
    contrast_correlation_p5: float | None
    milliseconds: float | None
    tolerance: Tolerance = EXACT
    robust: RobustAgreement | None = None
    problem: str | None = None

    @property
    def logits_error(self) -> float | None:
        """Largest error of `logits` in any signature, logits, if it has any."""
        return self._largest("logits")

    @property
    def patch_logits_error(self) -> float | None:
        """Likewise of `patch_logits`."""
        return self._largest("patch_logits")

    @property
    def passed(self) -> bool:
        """Whether every number is within its tolerance."""
        if self.problem is not None or self.num_images == 0:
            return False
        allowed = self.tolerance
        agreement = _limit(allowed.agreement, self.largest_patch_logit)
        limits = {"image": 0, "probabilities": allowed.probabilities}
        correlation = self.contrast_correlation
        # Written so that NaN fails.
        return (
            self.additivity_error
            <= _limit(allowed.additivity, self.largest_logit)
            and all(
                error <= limits.get(output.split(".")[1], agreement)
                for output, error in self.errors.items()
            )
            and self.decision_agreement >= allowed.decision_agreement
            and (
                correlation is None
                or correlation >= allowed.contrast_correlation
            )
            and (self.robust is None or self.robust.passed)
        )

    def to_json(self) -> dict:
        """The numbers and the verdict, for JSON."""
        return {**dataclasses.asdict(self), "passed": self.passed}

    def _largest(self, name: str) -> float | None:
        found = [v for k, v in self.errors.items() if k.endswith("." + name)]
        return _statistic(np.max, found)


def verify(
    model: keras.Model,
    openers: Mapping[str, Callable[[], Runner]],
    batches: Iterable[np.ndarray],
    head: str = "softmax",
    tolerances: Mapping[str, Tolerance] | None = None,
    robust: Mapping[str, RobustMasking | None] | None = None,
) -> list[Verification]:
    """Compares written files with the model that they were made of.

    Args:
        model: A BagNet with a classifier.
        openers: By artefact, what loads it and returns its runner.
        batches: Images, uint8 (batch, height, width, channels).
        head: What the logits mean, one of `bagnet_tf.heads.HEADS`.
        tolerances: By artefact, what is allowed; `EXACT` where not given.
        robust: By artefact, of those with robust logits, what these are.

    Returns:
        A `Verification` for each artefact. One that cannot be loaded or run
        has a `problem`.
    """
    network = patch_logits_model(model)
    tolerances, robust = tolerances or {}, robust or {}
    comparisons = [
        _Comparison(
            name, open, head, tolerances.get(name, EXACT), robust.get(name)
        )
        for name, open in openers.items()
    ]
    for images in batches:
        expected = network.predict_on_batch(images.astype(np.float32))
        for comparison in comparisons:
            comparison.add(images, expected)
    return [comparison.result() for comparison in comparisons]


class _Comparison:
    """Adds up the differences of one file, batch by batch."""

    def __init__(
        self,
        artefact: str,
        open_runner: Callable[[], Runner],
        head: str,
        tolerance: Tolerance,
        robust: RobustMasking | None,
    ):
        self._artefact = artefact
        self._head = head
        self._tolerance = tolerance
        self._problem = None
        self._runner = self._attempt(open_runner)
        self._num_images = self._agreeing = 0
        self._largest = {"logits": 0.0, "patch_logits": 0.0}
        self._errors = {}
        self._additivity_error = 0.0
        self._patch_agreements = []
        self._correlations = []
        self._robust = None if robust is None else RobustComparison(robust)

    def add(self, images, expected) -> None:
        """Compares one batch with the model's outputs for it."""
        for name in self._largest:
            self._largest[name] = _larger(self._largest[name], expected[name])
        batch, classes = expected["logits"].shape
        first = np.arange(self._num_images, self._num_images + batch)
        asked = np.arange(min(_CLASSES_ASKED, classes))
        class_ids = (first[:, None] + asked) % classes  # (batch, k)
        self._num_images += batch
        if self._problem is None:
            self._attempt(self._compare, images, expected, class_ids)

    def result(self) -> Verification:
        """What was found in all batches."""
        correlations = np.array(self._correlations)
        correlations = correlations[~np.isnan(correlations)]
        seconds = getattr(self._runner, "seconds", ())
        return Verification(
            artefact=self._artefact,
            num_images=self._num_images,
            largest_logit=self._largest["logits"],
            largest_patch_logit=self._largest["patch_logits"],
            errors=dict(self._errors),
            additivity_error=self._additivity_error,
            decision_agreement=self._agreeing / max(self._num_images, 1),
            patch_agreement=_statistic(np.mean, self._patch_agreements),
            contrast_correlation=_statistic(np.median, correlations),
            contrast_correlation_p5=_statistic(_percentile_5, correlations),
            milliseconds=_statistic(np.median, np.multiply(1e3, seconds)),
            tolerance=self._tolerance,
            robust=None if self._robust is None else self._robust.result(),
            problem=self._problem,
        )

    def _compare(self, images, expected, class_ids) -> None:
        outputs = self._runner(images, class_ids)
        if self._robust is not None:
            self._robust.add(
                outputs[f"{ROBUST_LOGITS}.patch_logits"],
                outputs.pop(f"{ROBUST_LOGITS}.robust_logits"),
            )
        evidence = np.take_along_axis(
            expected["patch_logits"], class_ids[:, None, None, :], axis=-1
        )
        expected = {**expected, "class_evidence": evidence, "image": images}
        for key, value in outputs.items():
            signature, name = key.split(".")
            beside = outputs.get(f"{signature}.logits")
            if name == "probabilities":
                # A file may answer with nothing else.
                logits = expected["logits"] if beside is None else beside
                wanted = probabilities_of(logits, self._head)
            else:
                wanted = expected[name]
            error = _difference(value, wanted)
            self._errors[key] = _larger(self._errors.get(key, 0.0), error)
            if name == "patch_logits":
                mean = value.mean(axis=(1, 2), dtype=np.float64)
                self._additivity_error = _larger(
                    self._additivity_error, _difference(mean, beside)
                )
        agreeing = stated_decisions(outputs, self._head) == decisions(
            expected["logits"], self._head
        )
        self._agreeing += int(agreeing.all(axis=-1).sum())
        if (maps := outputs.get("patch_logits.patch_logits")) is not None:
            self._compare_maps(maps, expected)

    def _compare_maps(self, maps, expected) -> None:
        self._patch_agreements.extend(
            patch_agreement(maps, expected["patch_logits"], self._head)
        )
        contrasts = (
            contrast_maps(values, expected["logits"])
            for values in (maps, expected["patch_logits"])
        )
        self._correlations.extend(map_correlations(*contrasts))

    def _attempt(self, function, *arguments):
        try:
            return function(*arguments)
        except Exception as error:  # Each runtime has errors of its own.
            lines = str(error).strip().splitlines() or [""]
            self._problem = f"{type(error).__name__}: {lines[0]}"


def _limit(share: float | None, unit: float) -> float:
    return float("inf") if share is None else share * unit


def _statistic(function, values) -> float | None:
    return float(function(values)) if len(values) else None


def _percentile_5(values):
    return np.percentile(values, 5)


def _difference(value, wanted) -> float:
    """Largest |value - wanted|; infinite where the shapes differ."""
    if value.shape != wanted.shape:
        return float("inf")
    return float(np.abs(value.astype(np.float64) - wanted).max())


def _larger(number: float, values) -> float:
    """Largest absolute value; NaN if there is one."""
    return float(np.maximum(number, np.abs(values).max()))
