"""What does a model's answer look like? The picture of a decision.

The picture of `bagnet_tf.rendering.render_explanation`, drawn with Pillow
alone, for where there is no matplotlib.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from bagnet_tf.captions import (
    footer_lines,
    panel_subtitle,
    strip_headings,
    tile_lines,
)
from bagnet_tf.colours import GREY, colour_limit
from bagnet_tf.decisions import Verdict
from bagnet_tf.explanation import Explanation, Patch
from bagnet_tf.layout import CAPTION_LINE, LINE, MARGIN, Layout, map_extent
from bagnet_tf.patch_evidence import (
    check_class_ids,
    explanation_of,
    most_probable,
)

from .canvas import Canvas
from .decision import check_answer, decide
from .metadata import Metadata


def draw_evidence(
    image: np.ndarray,
    patch_logits: np.ndarray,
    metadata: Metadata,
    class_ids: Sequence[int] | np.ndarray | None = None,
    logits: np.ndarray | None = None,
    source: str = "",
    top_k: int = 5,
) -> Image.Image:
    """Draws how a decision is made of patches.

    The image as the model sees it, with numbered boxes around the patches
    that speak most for the first class; beside it the maps of all classes on
    one symmetric colour scale in logits; and those patches with what each adds
    to the decision. Drawn is class-centred evidence, or of a sigmoid head
    evidence as it is.

    Args:
        image: The model's input, RGB or grey, uint8 (height, width, 3 or 1).
        patch_logits: What the model said of it, (rows, cols, classes).
        metadata: What belongs to the model.
        class_ids: The classes to draw; by default the three most probable.
        logits: What the model said of the whole image, (classes,); by default
            the means of the patch logits.
        source: Where the image comes from, for the title.
        top_k: Number of patches to outline, none overlapping another.

    Returns:
        The picture, RGB.

    Raises:
        ValueError: If `image` is neither RGB nor grey of uint8, the answer
            cannot be that of the described model for it, or a class id is
            out of range.

    Example:
        >>> outputs = interpreter.get_signature_runner("patch_logits")(
        ...     image=image[None]
        ... )
        >>> picture = draw_evidence(
        ...     image, outputs["patch_logits"][0], metadata
        ... )
        >>> picture.save("cat-explained.png")
    """
    if image.shape[2:] not in ((1,), (3,)) or image.dtype != np.uint8:
        raise ValueError(
            "image must be RGB or grey, uint8 (height, width, 3 or 1). "
            f"Received: shape={image.shape}, dtype={image.dtype}"
        )
    if logits is None:
        logits = patch_logits.mean(axis=(0, 1), dtype=np.float64)
    check_answer(logits, patch_logits, metadata, image.shape[:2])
    explanation = _explanation(logits, patch_logits, metadata, class_ids, top_k)
    verdict = decide(logits, metadata)
    patches = [p for p in explanation.top_patches() if p.evidence > 0]
    footer, canvas = _canvas(image, explanation, metadata, len(patches))
    _draw_title(canvas, verdict, source)
    _draw_input(canvas, image, patches)
    _draw_maps(canvas, image, explanation, metadata.labels, verdict)
    _draw_strip(canvas, image, explanation, metadata.labels, patches)
    for place, line in enumerate(footer):
        top = canvas.layout.footer_top + place * LINE
        canvas.text(MARGIN, top, line, size=10, colour=GREY)
    return canvas.image


def _explanation(
    logits, patch_logits, metadata, class_ids, top_k
) -> Explanation:
    logits, patch_logits = logits[None], patch_logits[None]
    if class_ids is None:
        chosen = most_probable(logits)
    else:
        check_class_ids(class_ids, len(metadata.labels))
        chosen = np.asarray(class_ids)[None]
    return explanation_of(
        logits, patch_logits, chosen, metadata.geometry, metadata.head, top_k
    )


def _canvas(
    image, explanation, metadata, num_patches
) -> tuple[list[str], Canvas]:
    """The lines below the picture, and an empty one with room for them."""
    num_panels = 1 + explanation.class_ids.shape[1]
    layout = Layout(image.shape[:2], num_panels, num_patches)
    footer = footer_lines(explanation, metadata.labels, 0, None, None, layout)
    layout = Layout(image.shape[:2], num_panels, num_patches, len(footer))
    return footer, Canvas(layout)


def _draw_title(canvas: Canvas, verdict: Verdict, source: str) -> None:
    title = f"prediction: {verdict.title}"
    subtitle = verdict.detail + f"  ·  {source}" * bool(source)
    top = MARGIN // 2
    canvas.text(MARGIN, top, title, size=17, bold=True)
    canvas.text(MARGIN, top + 48, subtitle, size=12, colour=GREY)


def _draw_input(
    canvas: Canvas, image: np.ndarray, patches: Sequence[Patch]
) -> None:
    height, width = image.shape[:2]
    panel = canvas.layout.panel(0)
    size = f"{width} × {height} pixels"
    canvas.text_above(panel, "what the model sees", size)
    canvas.pixels(panel, image)
    outlines = [
        canvas.box(panel, image.shape[:2], patch.box) for patch in patches
    ]
    for place, outline in enumerate(outlines, start=1):
        canvas.box_number(panel, outline, str(place))


def _draw_maps(canvas, image, explanation, labels, verdict) -> None:
    maps = explanation.decisive_evidence[0]  # (rows, cols, explained)
    limit = colour_limit(maps)
    extent = map_extent(explanation.geometry, maps.shape[:2])
    for place, class_id in enumerate(explanation.class_ids[0].tolist()):
        panel = canvas.layout.panel(place + 1)
        subtitle = panel_subtitle(explanation, 0, class_id, verdict)
        canvas.text_above(panel, labels[class_id], subtitle)
        canvas.map(panel, image, maps[..., place], extent, limit)
    label = f"{explanation.evidence_name} (logits per patch)"
    canvas.colour_bar(canvas.layout.colour_bar, maps, limit, label)


def _draw_strip(canvas, image, explanation, labels, patches) -> None:
    layout, top = canvas.layout, canvas.layout.strip_top
    heading, caption = strip_headings(explanation, labels, 0, patches)
    canvas.text(MARGIN, top, heading, size=12, bold=True)
    canvas.text(MARGIN, top + LINE, caption, size=11)
    for place, patch in enumerate(patches):
        box, tile = patch.box, layout.tile(place)
        canvas.pixels(tile, image[box.top : box.bottom, box.left : box.right])
        evidence, part = tile_lines(place + 1, patch)
        width = tile.right - tile.left
        top = tile.bottom + 6
        canvas.text(tile.left, top, evidence, width, size=11, bold=True)
        canvas.text(tile.left, top + CAPTION_LINE, part, width, size=11)
