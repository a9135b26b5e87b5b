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

# Largest errors allowed, float32. Logits, patch logits and class evidence: in
# units of the largest patch logit; additivity: of the largest logit.
AGREEMENT_TOLERANCE = 1e-4
ADDITIVITY_TOLERANCE = 1e-5
PROBABILITY_TOLERANCE = 1e-5

_CLASSES_ASKED = 3

# Runs one file on (images uint8, class_ids int32); outputs by
# `signature.output`.
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
            them.
            Infinite where shapes differ, NaN where an output is no number.
        additivity_error: Largest |mean of patch logits - logit|, logits.
        decision_agreement: Share of images with the model's decision: its
            best class or, of a sigmoid head, all classes with logits above 0.
        problem: Why the file could not be run, if so.
    """

    artefact: str
    num_images: int
    largest_logit: float
    largest_patch_logit: float
    errors: Mapping[str, float]
    additivity_error: float
    decision_agreement: float
    problem: str | None = None

    @property
    def logits_error(self) -> float:
        """Largest error of `logits` in any signature, logits."""
        return self._largest("logits")

    @property
    def patch_logits_error(self) -> float:
        """Largest error of `patch_logits` in any signature, logits."""
        return self._largest("patch_logits")

    @property
    def passed(self) -> bool:
        """Whether every error is within its tolerance."""
        if self.problem is not None or self.num_images == 0:
            return False
        tolerances = {"image": 0, "probabilities": PROBABILITY_TOLERANCE}
        agreement = AGREEMENT_TOLERANCE * self.largest_patch_logit
        # Written so that NaN fails.
        return self.additivity_error <= (
            ADDITIVITY_TOLERANCE * self.largest_logit
        ) and all(
            error <= tolerances.get(output.split(".")[1], agreement)
            for output, error in self.errors.items()
        )

    def to_json(self) -> dict:
        """The numbers and the verdict, for JSON."""
        return {**dataclasses.asdict(self), "passed": self.passed}

    def _largest(self, name: str) -> float:
        found = [v for k, v in self.errors.items() if k.endswith("." + name)]
        return float(np.max(found)) if found else float("nan")


def verify(
    model: keras.Model,
    openers: Mapping[str, Callable[[], Runner]],
    batches: Iterable[np.ndarray],
    head: str = "softmax",
) -> list[Verification]:
    """Compares written files with the model that they were made of.

    Args:
        model: A BagNet with a classifier.
        openers: By artefact, what loads it and returns its runner.
        batches: Images, uint8 (batch, height, width, channels).
        head: What the logits mean, one of `bagnet_tf.heads.HEADS`.

    Returns:
        A `Verification` for each artefact. One that cannot be loaded or run
        has a `problem`.
    """
    network = patch_logits_model(model)
    comparisons = [
        _Comparison(name, open, head) for name, open in openers.items()
    ]
    for images in batches:
        expected = network.predict_on_batch(images.astype(np.float32))
        for comparison in comparisons:
            comparison.add(images, expected)
    return [comparison.result() for comparison in comparisons]


class _Comparison:
    """Adds up the differences of one file, batch by batch."""

    def __init__(
        self, artefact: str, open_runner: Callable[[], Runner], head: str
    ):
        self._artefact = artefact
        self._head = head
        self._problem = None
        self._runner = self._attempt(open_runner)
        self._num_images = self._agreeing = 0
        self._largest = {"logits": 0.0, "patch_logits": 0.0}
        self._errors = {}
        self._additivity_error = 0.0

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
        return Verification(
            artefact=self._artefact,
            num_images=self._num_images,
            largest_logit=self._largest["logits"],
            largest_patch_logit=self._largest["patch_logits"],
            errors=dict(self._errors),
            additivity_error=self._additivity_error,
            decision_agreement=self._agreeing / max(self._num_images, 1),
            problem=self._problem,
        )

    def _compare(self, images, expected, class_ids) -> None:
        outputs = self._runner(images, class_ids)
        evidence = np.take_along_axis(
            expected["patch_logits"], class_ids[:, None, None, :], axis=-1
        )
        expected = {**expected, "class_evidence": evidence, "image": images}
        for key, value in outputs.items():
            signature, name = key.split(".")
            beside = outputs.get(f"{signature}.logits")
            if name == "probabilities":
                wanted = probabilities_of(beside, self._head)
            else:
                wanted = expected[name]
            error = _difference(value, wanted)
            self._errors[key] = _larger(self._errors.get(key, 0.0), error)
            if name == "patch_logits":
                mean = value.mean(axis=(1, 2), dtype=np.float64)
                self._additivity_error = _larger(
                    self._additivity_error, _difference(mean, beside)
                )
        agreeing = self._decisions(
            outputs["serving_default.logits"]
        ) == self._decisions(expected["logits"])
        self._agreeing += int(agreeing.all(axis=-1).sum())

    def _decisions(self, logits):
        """What compares equal where the decisions are, (batch, n)."""
        if self._head == "sigmoid":
            return logits > 0
        return logits.argmax(axis=-1, keepdims=True)

    def _attempt(self, function, *arguments):
        try:
            return function(*arguments)
        except Exception as error:  # Each runtime has errors of its own.
            lines = str(error).strip().splitlines() or [""]
            self._problem = f"{type(error).__name__}: {lines[0]}"


def _difference(value, wanted) -> float:
    """Largest |value - wanted|; infinite where the shapes differ."""
    if value.shape != wanted.shape:
        return float("inf")
    return float(np.abs(value.astype(np.float64) - wanted).max())


def _larger(number: float, values) -> float:
    """Largest absolute value; NaN if there is one."""
    return float(np.maximum(number, np.abs(values).max()))
