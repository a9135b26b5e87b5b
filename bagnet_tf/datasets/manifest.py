"""Which labelled images does a CSV file list?

Its header is `path,label[,split][,group][,mask]`, the columns in any order.
Paths are relative to the file's folder, or absolute.
"""

import csv
import io
import os
import pathlib
import typing

from bagnet_tf.datasets.listing import (
    SPLIT_NAMES,
    ImageList,
    ListedImage,
    split_by_hash,
)

SUFFIX = ".csv"
LABEL_SEPARATOR = ";"
_REQUIRED = ("path", "label")
_COLUMNS = (*_REQUIRED, "split", "group", "mask")


class _Row(typing.NamedTuple):
    """A line of the file: its number, image and split (None: by hash)."""

    line: int
    image: ListedImage
    split: str | None


def list_manifest(path: str, suffixes: tuple[str, ...]) -> ImageList:
    """Lists the images of a CSV file; makes sure that they are there.

    Args:
        path: The CSV file, UTF-8.
        suffixes: How the names of image files end, in lower case.

    Returns:
        The images. They are multi-label if a label is empty or has a `;`.

    Raises:
        ValueError: If the file breaks a rule; it names the line.
    """
    return _Manifest(path, suffixes).list_images()


class _Manifest:
    """A CSV file that is being read."""

    def __init__(self, path, suffixes):
        self._name = f"folder:{path}"
        self._path = pathlib.Path(path).expanduser()
        self._root = self._path.parent
        self._suffixes = suffixes

    def list_images(self):
        rows = [self._row(line, cells) for line, cells in self._records()]
        if not rows:
            raise self._error("have a row for each image", "it has none")
        self._check_paths(rows)
        self._check_groups(rows)
        if rows[0].split is None:
            splits = split_by_hash([row.image for row in rows])
        else:
            splits = {
                split: [row.image for row in rows if row.split == split]
                for split in dict.fromkeys(SPLIT_NAMES.values())
            }
            splits = {split: part for split, part in splits.items() if part}
        multi_label = any(len(row.image.classes) != 1 for row in rows)
        self._check_classes(rows, splits, least=1 if multi_label else 2)
        return ImageList(self._root, splits, multi_label)

    def _records(self):
        """Yields the line number and the cells, by column, of each row."""
        reader = csv.reader(io.StringIO(self._text(), newline=""), strict=True)
        columns = None
        line = 1
        try:
            for cells in reader:
                cells = [cell.strip() for cell in cells]
                if columns is None:
                    columns = self._columns(cells)
                elif len(cells) not in (0, len(columns)):
                    raise self._error(
                        f"have {len(columns)} cells in each row, as in its "
                        "header",
                        f"line {line} has {len(cells)}",
                    )
                elif cells:
                    yield line, dict(zip(columns, cells, strict=True))
                line = reader.line_num + 1
        except csv.Error as error:
            raise self._error(
                "be comma-separated", f"line {line}: {error}"
            ) from error

    def _text(self):
        try:
            data = self._path.read_bytes()
            return data.decode("utf-8-sig")  # Excel writes a mark in front.
        except OSError as error:
            raise self._error(
                "be an existing file", str(error.strerror)
            ) from error
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise self._error(
                "be encoded as UTF-8", f"line {line} is not"
            ) from error

    def _columns(self, header):
        known = ", ".join(_COLUMNS)
        for column in _REQUIRED:
            if column not in header:
                raise self._error(
                    f"have the columns {' and '.join(_REQUIRED)}",
                    f"line 1 is {','.join(header)!r}",
                )
        for column in header:
            if column not in _COLUMNS:
                raise self._error(
                    f"have no columns but {known}", f"line 1 has {column!r}"
                )
            if header.count(column) > 1:
                raise self._error(
                    "have each column once", f"line 1 repeats {column!r}"
                )
        return header

    def _row(self, line, cells):
        split = cells.get("split")
        if split is not None and split not in SPLIT_NAMES:
            raise self._error(
                f"have {', '.join(SPLIT_NAMES)} in the column split",
                f"line {line} has {split!r}",
            )
        image = ListedImage(
            cells["path"],
            self._classes(line, cells["label"]),
            cells.get("group", ""),
            cells.get("mask", ""),
        )
        return _Row(line, image, split and SPLIT_NAMES[split])

    def _classes(self, line, label):
        if not label:
            return ()
        names = tuple(name.strip() for name in label.split(LABEL_SEPARATOR))
        if "" in names or len(set(names)) < len(names):
            raise self._error(
                f"have different class names between {LABEL_SEPARATOR!r}",
                f"line {line} has the label {label!r}",
            )
        return names

    def _check_paths(self, rows):
        """Makes sure that all files are there, and no image twice."""
        lines = {}
        for line, image, _ in rows:
            if not image.file.lower().endswith(self._suffixes):
                raise self._error(
                    f"list images ({', '.join(self._suffixes)})",
                    f"line {line} has {image.file!r}",
                )
            for file in (image.file, image.mask):
                if file and not os.path.isfile(self._root / file):
                    raise self._error(
                        "list files that exist (relative to its folder)",
                        f"line {line} has {file!r}",
                    )
            path = os.path.normpath(self._root / image.file)
            first = lines.setdefault(path, line)
            if first != line:
                raise self._error(
                    "list each image once",
                    f"lines {first} and {line} have {image.file!r}",
                )

    def _check_groups(self, rows):
        """Makes sure that no group has images in two splits."""
        first_rows = {}
        for row in rows:
            if not row.image.group:
                continue
            first = first_rows.setdefault(row.image.group, row)
            if first.split != row.split:
                raise self._error(
                    "have each group in one split",
                    f"{row.image.group!r} is in {first.split} (line "
                    f"{first.line}) and {row.split} (line {row.line})",
                )

    def _check_classes(self, rows, splits, least):
        """Makes sure that train has all classes, and that they suffice."""
        known = {
            name for image in splits.get("train", ()) for name in image.classes
        }
        for line, image, split in rows:
            for name in image.classes:
                if name in known:
                    continue
                raise self._error(
                    "have images of every class in train",
                    f"{name!r} of line {line} is only in "
                    + (
                        split
                        or "validation (more images, or a column split, help)"
                    ),
                )
        if len(known) < least:
            number = "one class" if least == 1 else "two classes"
            raise self._error(
                f"have at least {number}", f"it has {', '.join(sorted(known))}"
            )

    def _error(self, rule, found):
        return ValueError(
            f"The CSV file of dataset must {rule}; {found}. "
            f"Received: dataset={self._name!r}"
        )
