"""Which methods of attribution are there, and what do they explain?

All explain the same number, a weighted sum of logits: of a softmax head the
class-centred logit, so that no method is given a free gauge (see
`bagnet_tf.evidence`), or the difference of two. No TensorFlow here.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bagnet_tf.heads import is_centred


@dataclasses.dataclass(frozen=True)
class Method:
    """A method of attribution.

    Attributes:
        title: What pictures call it.
        function: Which method of `bagnet_tf.analysis.attribution_maps`'s
            `Attribution` computes it.
        source: Where it comes from.
    """

    title: str
    function: str
    source: str


METHODS: Mapping[str, Method] = {
    "evidence": Method(
        "BagNet evidence", "_evidence", "Brendel & Bethge, ICLR 2019"
    ),
    "saliency": Method(
        "saliency", "_saliency", "Simonyan et al., ICLR Workshops 2014"
    ),
    "smoothgrad": Method("SmoothGrad", "_smoothgrad", "Smilkov et al., 2017"),
    "integrated_gradients": Method(
        "integrated gradients",
        "_integrated_gradients",
        "Sundararajan et al., ICML 2017",
    ),
    "gradcam": Method("Grad-CAM", "_gradcam", "Selvaraju et al., ICCV 2017"),
    "gradcam_plus_plus": Method(
        "Grad-CAM++", "_gradcam_plus_plus", "Chattopadhay et al., WACV 2018"
    ),
    "scorecam": Method("Score-CAM", "_scorecam", "Wang et al., 2020"),
    "lrp": Method("epsilon-LRP", "_lrp", "Bach et al., PLoS ONE 2015"),
    "random": Method("random", "_random", "what knows nothing"),
}


@dataclasses.dataclass(frozen=True)
class Effort:
    """How thorough the methods are that can be more or less so.

    Attributes:
        smooth_samples: Noisy copies of SmoothGrad (its paper: 50).
        integration_steps: Of integrated gradients (its paper: 20 to 300).
        cam_channels: Channels of Score-CAM, those of the largest spread (its
            paper: all, one forward pass each); fewer is Faster-Score-CAM.
        epsilon: Of epsilon-LRP.
    """

    smooth_samples: int = 16
    integration_steps: int = 16
    cam_channels: int = 32
    epsilon: float = 0.01

    def __post_init__(self):
        """Refuses numbers that are not positive."""
        for name, value in dataclasses.asdict(self).items():
            if not value > 0:
                raise ValueError(
                    f"{name} must be positive. Received: {name}={value}"
                )

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Effort":
        """What the options of an experiment say."""
        return cls(
            **{
                field.name: options[field.name]
                for field in dataclasses.fields(cls)
            }
        )


def class_weights(
    class_ids: Sequence[int], classes: int, head: str
) -> np.ndarray:
    """What a decision for a class is: weights of a sum of logits.

    Args:
        class_ids: One class an image, (batch,).
        classes: Number of classes.
        head: Of a softmax head the mean over classes is subtracted.

    Returns:
        float32 (batch, classes).
    """
    weights = np.eye(classes, dtype=np.float32)[np.asarray(class_ids)]
    return weights - np.float32(1 / classes) if is_centred(head) else weights


def contrast_weights(
    class_ids: Sequence[int], rivals: Sequence[int], classes: int
) -> np.ndarray:
    """Why one class and not another: weights of a difference of logits.

    Returns:
        float32 (batch, classes).
    """
    one = np.eye(classes, dtype=np.float32)
    return one[np.asarray(class_ids)] - one[np.asarray(rivals)]


def methods_asked_for(
    options: Mapping[str, Any], available: Sequence[str]
) -> list[str]:
    """The methods that an experiment shall compare.

    Args:
        options: Of the experiment; `methods` is empty for all.
        available: Those that the network has.

    Raises:
        ValueError: If there is no such method, or the network lacks it.
    """
    asked = options["methods"]
    wrong = [name for name in asked if name not in available]
    if wrong:
        raise ValueError(
            f"methods must be among {', '.join(available)}, those that the "
            f"model has. Received: methods={','.join(asked)}"
        )
    return [name for name in METHODS if name in (asked or available)]
