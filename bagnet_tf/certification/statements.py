"""What is proven about the decision on one photo, in numbers and words?"""

from collections.abc import Sequence

import keras
import numpy as np

from bagnet_tf.certification.certificate import certify
from bagnet_tf.certification.defenses import Defense
from bagnet_tf.evidence import patch_logits_model
from bagnet_tf.geometry import geometry_of

_DEFENSE = Defense("double_masking")  # It proves most, and has no gauge.


class Certifier:
    """Certifies the decisions of a model on single photos.

    Example:
        >>> certifier = Certifier(model, info.labels, [(16, 16)], (224, 224))
        >>> certifier(photo.image)[0]["statement"]
    """

    def __init__(
        self,
        model: keras.Model,
        labels: Sequence[str],
        patch_sizes: Sequence[tuple[int, int]],
        image_size: tuple[int, int],
        head: str = "softmax",
    ):
        """Prepares to certify.

        Args:
            model: A BagNet with a classifier.
            labels: Class names, by class id.
            patch_sizes: (height, width) of the patches, input pixels.
            image_size: (height, width) of the photos, pixels.
            head: What the logits mean.

        Raises:
            ValueError: If a patch is larger than the photos, or the head does
                not decide for one class.
        """
        for size in patch_sizes:
            if size[0] > image_size[0] or size[1] > image_size[1]:
                raise ValueError(
                    f"patch_size must fit into the image, {image_size[0]}x"
                    f"{image_size[1]} pixels. "
                    f"Received: patch_size={size[0]}x{size[1]}"
                )
        if head != "softmax":
            raise ValueError(
                "Certified is the decision for one of several classes: the "
                f"model's head must be softmax. Received: head={head!r}"
            )
        self._network = patch_logits_model(model)
        self._geometry = geometry_of(model)
        self._labels = tuple(labels)
        self._sizes = tuple(patch_sizes)

    def __call__(self, image: np.ndarray) -> list[dict]:
        """Certifies what double masking decides on a photo.

        Args:
            image: The model's input, (height, width, channels).

        Returns:
            For each patch size, JSON-ready: `patch_size`, `defense`,
            `prediction` of the defence (`class_id`, `label`), whether it is
            the plain decision, `certified`, and a `statement`.
        """
        outputs = self._network(np.float32(image[None]), training=False)
        plain = int(np.argmax(outputs["logits"][0]))
        patch_logits = outputs["patch_logits"].numpy()
        return [self._of(patch_logits, plain, size) for size in self._sizes]

    def _of(self, patch_logits, plain, size) -> dict:
        found = certify(patch_logits, None, size, self._geometry, _DEFENSE)
        decided = int(found.predictions[0])
        certified = bool(found.certified[0])
        return {
            "patch_size": list(size),
            "defense": _DEFENSE.settings(),
            "prediction": {"class_id": decided, "label": self._labels[decided]},
            "is_plain_decision": decided == plain,
            "certified": certified,
            "statement": self._statement(size, decided, plain, certified),
        }

    def _statement(self, size, decided, plain, certified) -> str:
        label, patch = self._labels[decided], f"{size[0]}x{size[1]} pixels"
        if certified:
            text = (
                f"Proven: no patch of up to {patch} of the input, wherever it "
                f"lies, changes what double masking decides, {label}."
            )
        else:
            text = (
                f"Double masking decides {label}; that a patch of {patch} of "
                "the input cannot change it is not proven."
            )
        if decided != plain:
            text += f" The plain decision is {self._labels[plain]}."
        return text
