"""Which labelled images lie in class folders?"""

import os
import pathlib

from absl import logging

from bagnet_tf.datasets import folder_masks
from bagnet_tf.datasets.listing import (
    SPLIT_NAMES,
    ImageList,
    ListedImage,
    split_by_hash,
)


def list_class_folders(
    path: str, suffixes: tuple[str, ...], skip_empty: bool
) -> ImageList:
    """Lists PATH/SPLIT/CLASS/... or PATH/CLASS/...; see `FolderSource`.

    Args:
        path: The folder.
        suffixes: How the names of image files end, in lower case.
        skip_empty: Whether to go without class folders that have no images,
            with a warning.

    Returns:
        The images.

    Raises:
        ValueError: If there is no such folder, it has no class folders, a
            class folder has no images, or another split has a class that
            `train` has not.
    """
    return _ClassFolders(path, suffixes, skip_empty).list_images()


class _ClassFolders:
    """A folder of class folders, and what was found in it."""

    def __init__(self, path, suffixes, skip_empty):
        self._name = f"folder:{path}"
        self._root = pathlib.Path(path).expanduser()
        self._suffixes = suffixes
        self._skip_empty = skip_empty
        self._empty = []  # Class folders without images.
        if not path or not self._root.is_dir():
            raise self._error("be an existing folder of images or a CSV file")

    def list_images(self):
        names = [folder.name for folder in _folders(self._root)]
        masks = folder_masks.list_masks(self._root, names)
        if masks is not None:
            names.remove(folder_masks.FOLDER)
        if "train" in names:
            splits = self._list_split_folders(names)
        else:
            splits = self._list_one_folder(names)
        self._check_classes(splits, by_hash="train" not in names)
        if masks:
            splits = {
                split: [_with_mask(image, masks) for image in part]
                for split, part in splits.items()
            }
        return ImageList(
            self._root, splits, empty_classes=self._empty_classes(splits)
        )

    def _list_split_folders(self, names):
        """Returns the images of each split of PATH/SPLIT/CLASS."""
        splits = {}
        for folder, split in SPLIT_NAMES.items():
            if folder not in names:
                continue
            if split in splits:
                raise self._error("have one of the folders val and validation")
            splits[split] = self._list_classes(self._root / folder)
        return splits

    def _list_one_folder(self, names):
        """Returns the images of the splits made of PATH/CLASS."""
        if names and set(names) <= set(SPLIT_NAMES):
            raise self._error(f"have a train folder beside {', '.join(names)}")
        return split_by_hash(self._list_classes(self._root, names))

    def _list_classes(self, parent, names=None):
        """Returns the images of the class folders in a folder."""
        folders = [
            folder
            for folder in _folders(parent)
            if names is None or folder.name in names
        ]
        if not folders:
            raise self._error(f"have class folders in {str(parent)!r}")
        images = []
        for folder in folders:
            files = _files(folder, self._suffixes)
            if not files:
                self._note_empty(folder)
            images += [
                ListedImage(
                    file.relative_to(self._root).as_posix(), (folder.name,)
                )
                for file in files
            ]
        return images

    def _note_empty(self, folder):
        if not self._skip_empty:
            raise self._error(
                f"have images ({', '.join(self._suffixes)}) in each class "
                f"folder; {str(folder)!r} has none (--skip_corrupt goes "
                "without such folders)"
            )
        logging.warning("Skipping %s: no images.", folder)
        self._empty.append(folder.name)

    def _empty_classes(self, splits):
        """Classes of which no split has an image."""
        found = {
            name for part in splits.values() for i in part for name in i.classes
        }
        return tuple(sorted(set(self._empty) - found))

    def _check_classes(self, splits, by_hash):
        """Makes sure that train has every class of the other splits."""
        known = {i.classes[0] for i in splits.get("train", ())}
        for split, part in splits.items():
            for name in sorted({image.classes[0] for image in part} - known):
                raise self._error(
                    f"have more images of {name!r}, of which none fell to "
                    "train (or folders train and validation)"
                    if by_hash
                    else "have only classes of train in its other splits; "
                    f"{split} has {name!r} too"
                )
        if len(known) < 2:
            raise self._error(
                f"have at least two classes; it has {', '.join(sorted(known))}"
            )

    def _error(self, rule):
        return ValueError(
            f"The folder of dataset must {rule}. "
            f"Received: dataset={self._name!r}"
        )


def _with_mask(image, masks):
    stem = os.path.splitext(image.file)[0]
    return image._replace(mask=masks.get(stem, ""))


def _folders(folder):
    """Returns the visible sub-folders of a folder, by name."""
    return sorted(
        child
        for child in folder.iterdir()
        if child.is_dir() and not child.name.startswith(".")
    )


def _files(folder, suffixes):
    """Returns the visible images below a folder, in no particular order."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            pathlib.Path(parent, name)
            for name in files
            if name.lower().endswith(suffixes) and not name.startswith(".")
        ]
    return found
