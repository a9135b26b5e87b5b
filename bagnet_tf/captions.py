"""What does the picture of a decision say in words?"""

import textwrap
from collections.abc import Sequence

from bagnet_tf.decisions import Verdict
from bagnet_tf.explanation import Explanation, Patch
from bagnet_tf.heads import is_centred
from bagnet_tf.layout import MARGIN, Layout

# Mean width of a letter of the footer, pixels of the picture.
_FOOTER_CHARACTER = 11.5


def panel_subtitle(
    explanation: Explanation, index: int, class_id: int, verdict: Verdict
) -> str:
    """The numbers of one class, above its map."""
    probability = explanation.probabilities[index, class_id]
    logit = number(explanation.logits[index, class_id])
    numbers = f"p = {probability:.3f}"
    if class_id in verdict.decisions:
        # Short enough for a picture of one map; the footer has the words.
        numbers = f"p = {verdict.decisions[class_id].compared}"
    return f"{numbers}  ·  logit {logit}"


def strip_headings(
    explanation: Explanation,
    labels: Sequence[str],
    index: int,
    patches: Sequence[Patch],
) -> tuple[str, str]:
    """Two lines above the patches that speak for the first class."""
    label = labels[explanation.class_ids[index, 0]]
    total = explanation.decisive_evidence[index, :, :, 0].mean()
    logit = "class-centred logit" if is_centred(explanation.head) else "logit"
    value = number(total, "+")
    if not patches:
        return f"no patch speaks for {label}", f"the {logit} is {value}"
    caption = f"share of the {logit} {value} (all patches together: 100 %)"
    if total <= 0:
        # Shares of it would be negative where a patch speaks for the class.
        caption = f"what the patch adds to the {logit} {value}"
    return (
        f"patches that speak most for {label}",
        f"evidence in logits, and {caption}",
    )


def tile_lines(place: int, patch: Patch) -> tuple[str, str]:
    """Two lines below a patch: its evidence and its part of the decision."""
    part = f"{number(100 * patch.share)} %"
    if not patch.share > 0:
        part = f"adds {number(patch.contribution, '+')}"
    return f"{place}:  {number(patch.evidence, '+')}", part


def footer_lines(
    explanation: Explanation,
    labels: Sequence[str],
    index: int,
    contrast: tuple[int, int] | None,
    stride: int | None,
    layout: Layout,
    remarks: Sequence[str] = (),
) -> list[str]:
    """How to read the picture.

    Args:
        explanation: What is drawn.
        labels: Class names, by class id.
        index: Which image of the explanation.
        contrast: Two class ids, if the last map is of why the first and not
            the second.
        stride: Of dense maps, pixels; None if the grid's are drawn.
        layout: Of the picture, whose width lines have.
        remarks: What else there is to say, a paragraph each.

    Returns:
        Lines, each paragraph beginning a new one.
    """
    rim = explanation.geometry.receptive_field // 2
    error = explanation.relative_additivity_error[index]
    paragraphs = [_colours(explanation)]
    if stride is None:
        paragraphs[0] += " Hatched: no patch is centred there."
    else:
        density = "per pixel" if stride == 1 else f"every {stride} px"
        paragraphs.append(
            f"Maps: one patch {density}. Within {rim} px of the rim they show "
            "the padding with zeros too, so that a map's mean is not the "
            "logit. The decision, the boxes and the shares are those of whole "
            f"patches {explanation.geometry.stride} pixels apart."
        )
    if contrast is not None:
        one, other = (shortened(labels[class_id], 40) for class_id in contrast)
        paragraphs.append(f"In the last map red speaks for {one}, not {other}.")
    paragraphs.append(
        "The mean of a class's patch logits is its logit: here within "
        f"{error:.0e} of the largest logit."
    )
    paragraphs += remarks
    characters = int((layout.width - 2 * MARGIN) / _FOOTER_CHARACTER)
    return [
        line for text in paragraphs for line in textwrap.wrap(text, characters)
    ]


def _colours(explanation: Explanation) -> str:
    if is_centred(explanation.head):
        return (
            "Red speaks for a class and blue against it, compared with the "
            f"mean of the {explanation.logits.shape[-1]} classes."
        )
    return (
        "Red speaks for a class and blue against it: each class by itself "
        "(sigmoid), a patch of 0 logits being undecided. Each p is compared "
        "with the threshold of its class."
    )


def number(value: float, sign: str = "-") -> str:
    """A number as people read it, with a real minus sign."""
    digits = ".3g" if abs(value) < 1000 else ".0f"
    return f"{value:{sign}{digits}}".replace("-", "−")


def shortened(text: str, length: int) -> str:
    """At most so many letters of a text, with an ellipsis if it is longer."""
    text = " ".join(str(text).split())
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
