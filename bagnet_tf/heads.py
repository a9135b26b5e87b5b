"""What do the logits of a model mean? That depends on its head.

A *softmax* head chooses one class among all: only differences between classes
matter, so one class's evidence carries a free gauge (see
`bagnet_tf.evidence`), and class-centred evidence is what decides.

A *sigmoid* head says of each class by itself whether it is there: any number
of classes may be, one class alone is a head too, and there is no gauge. The
evidence of a class decides as it is; centring it would mix in what belongs to
others, and of a single class leave nothing.
"""

import numpy as np

HEADS = ("softmax", "sigmoid")


def check_head(head: str) -> None:
    """Refuses what is no head.

    Raises:
        ValueError: If `head` is not one of `HEADS`.
    """
    if head not in HEADS:
        raise ValueError(
            f"head must be one of {', '.join(HEADS)}. Received: head={head!r}"
        )


def default_head(classes: int) -> str:
    """The head of a model that does not say which: sigmoid for one class."""
    return "sigmoid" if classes == 1 else "softmax"


def is_centred(head: str) -> bool:
    """Whether class-centred evidence is what decides, or evidence as it is."""
    return head == "softmax"


def evidence_name(head: str) -> str:
    """What evidence decides, in words: of pictures, tables and JSON files."""
    return "class-centred evidence" if is_centred(head) else "class evidence"


def probabilities_of(logits: np.ndarray, head: str) -> np.ndarray:
    """What a head makes of logits.

    Args:
        logits: (..., classes).
        head: One of `HEADS`.

    Returns:
        Of the same shape and dtype, 0..1; those of a softmax head add up to 1
        over the classes.

    Raises:
        ValueError: If `head` is unknown.
    """
    check_head(head)
    if head == "sigmoid":
        # Both branches of the usual form in one, without an overflow.
        return np.exp(-np.logaddexp(0, -logits))
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
