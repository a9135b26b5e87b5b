"""What does `explain` write of a photo, and what of all of them together?"""

import json
import pathlib
import re
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from bagnet_tf.decisions import verdict_of
from bagnet_tf.explanation import Explanation
from bagnet_tf.files import Files, write_csv, written_whole
from bagnet_tf.heads import evidence_name
from bagnet_tf.layout import map_extent
from bagnet_tf.model_info import ModelInfo
from bagnet_tf.photo_maps import map_on_photo, to_the_rim
from bagnet_tf.photo_report import Photo, decomposition, describe
from bagnet_tf.photos import in_grey, load_photo
from bagnet_tf.regions import (
    REGION_COLUMNS,
    find_regions,
    region_table,
    to_coco,
)
from bagnet_tf.rendering import (
    DenseMaps,
    SheetEntry,
    colour_limit,
    overlay_on_photo,
    render_contact_sheet,
    render_explanation,
    save_picture,
)


class ExplanationWriter:
    """Writes the results of each photo, and at last those of the run.

    Args:
        model_path: The model, as the user named it.
        info: The model's labels, head and operating thresholds.
        run_files: Where the results of the run go, by kind.
        contrast: Two explained class ids for contrast maps.
        threshold: Regions have more evidence than this, logits; None: no
            regions are sought.
    """

    def __init__(
        self,
        model_path: str,
        info: ModelInfo,
        run_files: Files,
        contrast: tuple[int, int] | None = None,
        threshold: float | None = None,
    ):
        """Begins a run without photos."""
        self._model_path = model_path
        self._labels = info.labels
        self._thresholds = info.thresholds
        self._run_files = run_files
        self._contrast = contrast
        self._threshold = threshold
        self._evidence_name = evidence_name(info.head)
        self._photos, self._tables = [], []
        # Of the contact sheet; its colour scale is that of whole patches.
        self._entries, self._whole_patches, self._extent = [], [], None

    def write(
        self,
        photo: Photo,
        files: Files,
        explanation: Explanation,
        index: int,
        dense: DenseMaps | None = None,
        certificates: Sequence[Mapping] = (),
    ) -> str:
        """Writes a photo's results.

        Args:
            photo: The photo.
            files: Where its results go, by kind: each that is named is
                written.
            explanation: Of a batch with the photo's image.
            index: Which image of the explanation it is.
            dense: Maps to draw instead of the grid's.
            certificates: What is proven of the decision, see `Certifier`.

        Returns:
            A line about the results.
        """
        content = self._numbers(photo, files, explanation, index, dense)
        if certificates:
            content["certificates"] = list(certificates)
        remarks = [certificate["statement"] for certificate in certificates]
        values, extent = _drawn(explanation, index, dense)
        with written_whole(files) as temporary:
            self._draw(photo, temporary, explanation, index, dense, remarks)
            if "overlay" in files:
                limit = colour_limit(explanation.decisive_evidence[index])
                overlay = _overlay(photo, values[..., 0], extent, limit)
                overlay.save(temporary["overlay"])
            if "maps" in files:
                maps = explanation.decisive_evidence[index]
                np.save(temporary["maps"], dense.values if dense else maps)
            if "table" in files:
                rows = decomposition(photo, explanation, self._labels, index)
                write_csv(temporary["table"], rows, list(rows[0]))
            _write_json(temporary["numbers"], content)
        self._remember(photo, explanation, index, values, extent)
        names = ", ".join(map(str, files.values()))
        return f"{photo.path}: {content['verdict']} -> {names}"

    def finish(self) -> str:
        """Writes the results of the run; returns a line about them, if any."""
        if not self._run_files:
            return ""
        with written_whole(self._run_files) as temporary:
            if "regions" in temporary:
                rows = [row for table in self._tables for row in table]
                write_csv(temporary["regions_table"], rows, REGION_COLUMNS)
                coco = to_coco(
                    self._photos,
                    self._tables,
                    self._labels,
                    self._evidence_name,
                )
                _write_json(temporary["regions"], coco)
            sheets = [k for k in temporary if k.startswith("sheet_")]
            if sheets:
                name = pathlib.Path(self._model_path).name
                heading = f"{len(self._entries)} images  ·  {name}"
                figure = render_contact_sheet(
                    self._entries,
                    self._extent,
                    heading,
                    colour_limit(np.stack(self._whole_patches)),
                    self._evidence_name,
                )
                for kind in sheets:
                    save_picture(figure, temporary[kind])
        files = ", ".join(map(str, self._run_files.values()))
        return f"{len(self._photos)} images -> {files}"

    def _numbers(self, photo, files, explanation, index, dense) -> dict:
        content = describe(
            photo,
            explanation,
            self._labels,
            index,
            self._contrast,
            self._thresholds,
        )
        stride = dense.stride if dense else explanation.geometry.stride
        maps = {
            "stride": stride,
            "padding": "same" if dense else "valid",
            "mean_is_the_logit": dense is None,
        }
        if "maps" in files:
            maps["file"] = files["maps"].name
        return {"model": self._model_path, **content, "drawn_maps": maps}

    def _draw(self, photo, temporary, explanation, index, dense, remarks):
        names = pathlib.Path(photo.path).name, pathlib.Path(self._model_path)
        parts = [names[0], names[1].name, *photo.notes]
        figure = render_explanation(
            photo.image,
            explanation,
            self._labels,
            index,
            "  ·  ".join(parts),
            self._contrast,
            dense,
            self._thresholds,
            remarks,
        )
        for kind in {"png", "svg"} & temporary.keys():
            save_picture(figure, temporary[kind])

    def _remember(self, photo, explanation, index, values, extent):
        """Keeps what the results of the run are made of."""
        self._photos.append(photo)
        class_ids = explanation.class_ids[index].tolist()
        if self._threshold is not None:
            evidence = explanation.decisive_evidence[index]
            found = {
                class_id: find_regions(
                    evidence[..., place], explanation.geometry, self._threshold
                )
                for place, class_id in enumerate(class_ids)
            }
            table = region_table(
                photo, found, self._labels, explanation.evidence_name
            )
            self._tables.append(table)
        if any(kind.startswith("sheet_") for kind in self._run_files):
            self._extent = extent
            entry = self._entry(photo, explanation, index, values[..., 0])
            self._entries.append(entry)
            whole_patches = explanation.decisive_evidence[index, :, :, 0]
            self._whole_patches.append(whole_patches.copy())

    def _entry(self, photo, explanation, index, evidence) -> SheetEntry:
        class_id = explanation.class_ids[index, 0]
        verdict = verdict_of(
            explanation.logits[index],
            explanation.head,
            self._labels,
            self._thresholds,
        )
        subtitle = f"{self._labels[class_id]}  p = "
        if class_id in verdict.decisions:
            subtitle += f"{verdict.decisions[class_id].compared} (threshold)"
        else:
            probability = explanation.probabilities[index, class_id]
            subtitle += f"{probability:.3f}"
            if class_id not in verdict.class_ids:
                subtitle += f"  (prediction: {verdict.title})"
        name = pathlib.Path(photo.path).name
        # A copy, so that the maps of other classes need not be kept.
        return SheetEntry(photo.image, evidence.copy(), name, subtitle)


def _drawn(explanation, index, dense):
    """The maps that are drawn, (rows, cols, explained), and where they lie."""
    if dense is not None:
        return to_the_rim(dense.values, dense.stride)
    values = explanation.decisive_evidence[index]
    return values, map_extent(explanation.geometry, values.shape[:2])


def _overlay(photo, evidence, extent, limit) -> Image.Image:
    """The first explained class's evidence on the original photo."""
    # Read again: many photos at full size would not fit in memory.
    original = load_photo(photo.path)
    if photo.image.shape[-1] == 1:
        original = in_grey(original)
    evidence = map_on_photo(
        evidence, extent, photo.transform, photo.image.shape[:2]
    )
    return Image.fromarray(overlay_on_photo(original, evidence, limit))


def _write_json(file: pathlib.Path, content: Mapping) -> None:
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    # Each row of numbers on one line.
    text = re.sub(
        r"\[\n[^][{}\"]*\]", lambda row: " ".join(row[0].split()), text
    )
    file.write_text(text + "\n", encoding="utf-8")
