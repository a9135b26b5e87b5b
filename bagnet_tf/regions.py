"""Which parts of a photo hold strong evidence? Boxes, as CSV and COCO."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from bagnet_tf.geometry import Box, PatchGeometry
from bagnet_tf.photo_report import Photo
from bagnet_tf.version import __version__

# Of `region_table`; boxes in pixels of the photo.
REGION_COLUMNS = (
    "image",
    "class_id",
    "label",
    "left",
    "top",
    "width",
    "height",
    "num_patches",
    "peak_evidence",
    "contribution",
    "evidence_name",
)


@dataclasses.dataclass(frozen=True)
class Region:
    """Neighbouring patches of strong evidence for one class.

    Attributes:
        box: The smallest box, in input pixels, around the stride x stride
            pixels in the middle of each patch: what the map shows, and less
            than the patches see.
        num_patches: Number of patches.
        peak_evidence: The largest evidence, logits.
        contribution: What the region adds to the class's (class-centred)
            logit: the sum of its evidence / number of all patches, logits.
    """

    box: Box
    num_patches: int
    peak_evidence: float
    contribution: float


def find_regions(
    evidence: np.ndarray, geometry: PatchGeometry, threshold: float
) -> list[Region]:
    """Finds the regions where evidence is above a threshold.

    Patches above, below, left and right of one another are neighbours.

    Args:
        evidence: Of one class, (rows, cols), logits; the decisive one.
        geometry: Receptive field and stride of the grid.
        threshold: Regions have more evidence than this in each patch, logits.

    Returns:
        Regions by falling contribution.

    Raises:
        ValueError: If `evidence` is not (rows, cols) or `threshold` is NaN.

    Example:
        >>> evidence = explanation.decisive_evidence[0, :, :, 0]
        >>> find_regions(evidence, explanation.geometry, threshold=5.0)
    """
    if evidence.ndim != 2:
        raise ValueError(
            "evidence must be (rows, cols). "
            f"Received: evidence.shape={evidence.shape}"
        )
    if np.isnan(threshold):
        raise ValueError(
            f"threshold must be a number. Received: threshold={threshold}"
        )
    regions = []
    for cells in _connected_cells(evidence > threshold):
        values = evidence[tuple(np.transpose(cells))].astype(np.float64)
        regions.append(
            Region(
                box=_box_around(cells, geometry),
                num_patches=len(cells),
                peak_evidence=float(values.max()),
                contribution=float(values.sum() / evidence.size),
            )
        )
    return sorted(regions, key=lambda region: -region.contribution)


def fit_threshold(maps: Iterable[np.ndarray], quantile: float = 0.99) -> float:
    """A threshold for `find_regions` from maps of held-out photos.

    Args:
        maps: Evidence maps of any shapes, of photos that are not those whose
            regions are reported.
        quantile: The part of all patches that lies at or below the threshold.

    Returns:
        The threshold, logits.

    Raises:
        ValueError: If there is no map, or `quantile` is not within 0 and 1.

    Example:
        >>> held_out = bagnet_tf.explain(model, images, class_ids=[3])
        >>> threshold = fit_threshold(held_out.decisive_evidence, 0.95)
    """
    if not 0 <= quantile <= 1:
        raise ValueError(
            f"quantile must be in [0, 1]. Received: quantile={quantile}"
        )
    values = [np.ravel(evidence) for evidence in maps]
    if not sum(map(len, values)):
        raise ValueError("maps must hold at least one map. Received: none")
    return float(np.quantile(np.concatenate(values), quantile))


def region_table(
    photo: Photo,
    regions: Mapping[int, Sequence[Region]],
    labels: Sequence[str],
    evidence_name: str = "class-centred evidence",
) -> list[dict]:
    """The regions of a photo as rows of a table, boxes in its own pixels.

    Args:
        photo: The photo, after EXIF rotation.
        regions: From `find_regions`, by class id.
        labels: Class names, by class id.
        evidence_name: What regions were found in: `Explanation.evidence_name`.

    Returns:
        A dict of `REGION_COLUMNS` for each region; its box has at least one
        pixel.
    """
    table = []
    height, width = photo.transform.photo_shape
    for class_id, found in regions.items():
        for region in found:
            top, left, bottom, right = photo.transform.to_photo(region.box)
            top, left = min(top, height - 1), min(left, width - 1)
            row = (
                photo.path,
                int(class_id),
                labels[class_id],
                left,
                top,
                max(right - left, 1),
                max(bottom - top, 1),
                region.num_patches,
                region.peak_evidence,
                region.contribution,
                evidence_name,
            )
            table.append(dict(zip(REGION_COLUMNS, row, strict=True)))
    return table


def to_coco(
    photos: Sequence[Photo],
    tables: Sequence[Sequence[Mapping]],
    labels: Sequence[str],
    evidence_name: str = "class-centred evidence",
) -> dict:
    """The regions of many photos in COCO's format for detections.

    Args:
        photos: The photos.
        tables: `region_table` of each.
        labels: Class names, by class id.
        evidence_name: What regions were found in.

    Returns:
        A JSON-ready dict of `info`, `images`, `annotations` and `categories`.
        Category ids are class ids; ids of images and annotations begin at 1.
        A `score` is the region's contribution, in logits and not within 0
        and 1; an `area` is that of the box.

    Source: https://cocodataset.org/#format-data
    """
    images, annotations = [], []
    for image_id, (photo, table) in enumerate(
        zip(photos, tables, strict=True), start=1
    ):
        height, width = photo.transform.photo_shape
        size = {"width": width, "height": height}
        images.append({"id": image_id, "file_name": photo.path, **size})
        for entry in table:
            box = [entry[key] for key in ("left", "top", "width", "height")]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": entry["class_id"],
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                    "score": entry["contribution"],
                }
            )
    return {
        "info": {
            "description": f"Regions of strong {evidence_name}",
            "version": __version__,
        },
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": class_id, "name": name}
            for class_id, name in enumerate(labels)
        ],
    }


def _connected_cells(mask: np.ndarray) -> list[list[tuple[int, int]]]:
    """The true cells in groups that hang together over their sides."""
    left = set(zip(*(axis.tolist() for axis in np.nonzero(mask)), strict=True))
    groups = []
    while left:
        group = [left.pop()]
        for row, col in group:  # Grows while it is walked through.
            for cell in (
                (row - 1, col),
                (row + 1, col),
                (row, col - 1),
                (row, col + 1),
            ):
                if cell in left:
                    left.remove(cell)
                    group.append(cell)
        groups.append(group)
    return groups


def _box_around(cells, geometry) -> Box:
    rows, cols = zip(*cells, strict=True)
    half, stride = geometry.stride // 2, geometry.stride
    top, left = geometry.centre(min(rows), min(cols))
    bottom, right = geometry.centre(max(rows), max(cols))
    return Box(
        top - half, left - half, bottom - half + stride, right - half + stride
    )
