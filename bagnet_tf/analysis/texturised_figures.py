"""What do photos without global structure look like, and answers to them?"""

import numpy as np

from bagnet_tf.analysis.gram_textures import TextureSynthesis
from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.analysis.shuffling import shuffled_tiles
from bagnet_tf.analysis.streaming import images_at
from bagnet_tf.figures import Chart, Gallery, Panel, Series, Tile

_NUM_EXAMPLES = 4


def accuracy_chart(request: AnalysisRequest, rows: list[dict]) -> Chart:
    """Accuracy, agreement and change of the logit by the size of tiles."""
    panels = [
        _panel(request, rows, "accuracy", "Accuracy", "top-1 accuracy"),
        _panel(
            request,
            rows,
            "same_decision",
            "Decision as for the intact photo",
            "share of photos",
        ),
        _change_panel(request, rows),
    ]
    cut = [row for row in rows if row["cut_patches"] is not None]
    if cut:
        panels.append(_cut_panel(request, cut))
    return Chart(
        f"Photos without global structure, {request.source.name}",
        panels,
        note=f"{request.num_images} photos of {request.split}, 95 % intervals. "
        "Dashed: intact photos; dotted: textures. A BagNet's patches that lie "
        "in one tile add the same to its logits wherever the tile is, if tiles "
        "are multiples of the stride: only cut ones make a difference.",
    )


def examples_gallery(
    request: AnalysisRequest,
    sizes: list[int],
    synthesis: TextureSynthesis | None,
) -> Gallery:
    """Some photos, shuffled as the first classifier saw them."""
    count = min(_NUM_EXAMPLES, request.num_images)
    photos = images_at(request, range(count))
    rows = []
    for index in range(count):
        image = photos[index]["image"]
        tiles = [Tile(image, "intact")]
        for size in sizes:
            rng = np.random.default_rng([request.seed, index, size])
            shuffled = shuffled_tiles(image, size, rng)
            tiles.append(Tile(shuffled, f"tiles of {size} pixels"))
        if synthesis is not None:
            (texture,), _ = synthesis(image[None], [[request.seed, index]])
            tiles.append(Tile(texture, "texture"))
        label = request.source.labels[photos[index]["label"]]
        rows.append((label, tiles))
    return Gallery(
        "Photos without global structure",
        rows,
        note=f"{request.source.name}, {request.split}.",
        tile_size=224,
    )


def _panel(request, rows, key, title, y_label) -> Panel:
    series = []
    for number, classifier in enumerate(request.classifiers):
        own, tiles = _rows_of(classifier, rows)
        series.append(
            Series(
                [row["tile_size"] for row in tiles],
                [row[key]["value"] for row in tiles],
                classifier.title,
                low=[row[key]["interval95"][0] for row in tiles],
                high=[row[key]["interval95"][1] for row in tiles],
                colour=number,
            )
        )
        series += _levels(own, key, number)
    return Panel(
        title,
        "side of a tile, pixels",
        y_label,
        series,
        percent="y",
        y_limits=(-0.02, 1.02),
        x_ticks=_sizes(rows),
    )


def _levels(own, key, number) -> list[Series]:
    """Lines for what has no tiles."""
    levels = []
    for row in own:
        if row["tile_size"] or (key, row["images"]) == (
            "same_decision",
            "intact",
        ):
            continue
        is_texture = row["images"] != "intact"
        label = f"{row['model']}, textures" if is_texture else ""
        value = [row[key]["value"]]
        kind = "dotted" if is_texture else "level"
        levels.append(
            Series([], value, label, kind, colour=number, dashed=True)
        )
    return levels


def _change_panel(request, rows) -> Panel:
    series = []
    for number, classifier in enumerate(request.classifiers):
        _, tiles = _rows_of(classifier, rows)
        series.append(
            Series(
                [row["tile_size"] for row in tiles],
                [row["rms_change"] / abs(row["mean_logit"]) for row in tiles],
                classifier.title,
                colour=number,
            )
        )
    return Panel(
        "Change of the leading class's logit",
        "side of a tile, pixels",
        "root mean square / mean logit",
        series,
        x_ticks=_sizes(rows),
    )


def _rows_of(classifier, rows) -> tuple[list[dict], list[dict]]:
    """Those of one classifier, and those among them that are of tiles."""
    own = [row for row in rows if row["model"] == classifier.title]
    return own, [row for row in own if row["tile_size"]]


def _sizes(rows) -> list[int]:
    return sorted({row["tile_size"] for row in rows if row["tile_size"]})


def _cut_panel(request, rows) -> Panel:
    series = []
    for number, classifier in enumerate(request.classifiers):
        own = [row for row in rows if row["model"] == classifier.title]
        if own:
            series.append(
                Series(
                    [row["tile_size"] for row in own],
                    [row["cut_patches"] for row in own],
                    f"{classifier.title} "
                    f"(q = {classifier.geometry.receptive_field})",
                    colour=number,
                )
            )
    return Panel(
        "Patches that see several tiles",
        "side of a tile, pixels",
        "share of the patches",
        series,
        percent="y",
        y_limits=(-0.02, 1.02),
        x_ticks=_sizes(rows),
    )
