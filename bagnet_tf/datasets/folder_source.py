"""Which labelled images lie in a folder?"""

import hashlib
import os
import pathlib

import tensorflow as tf

from bagnet_tf.datasets import base, folder_masks, labels

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif")
TRAIN_FRACTION = 0.8  # Of the images of a folder that has no split folders.
_SPLIT_FOLDERS = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}


class FolderSource(base.ImageSource):
    """Images in one folder a class.

    Either `PATH/train/CLASS/...`, with `PATH/val` (or `PATH/validation`) and
    `PATH/test` of the same form if there are any; or `PATH/CLASS/...`, of
    which a hash of each file's relative path takes 80 % into `train` and the
    others into `validation`, the same ones on every machine. Class folders
    are searched with their sub-folders for files that end in .jpg, .jpeg,
    .png, .bmp or .gif, in any case; hidden ones are passed over.

    The classes are the sorted folder names. The order of the images is that
    of the hashes, so that every slice of a split mixes the classes. An
    example's id is the file's path relative to PATH.

    PATH/masks, a tree of the same form, may hold masks of the true evidence
    (see `folder_masks`), for all images or for some.
    """

    def __init__(self, path: str):
        """Lists the images; reads none of them.

        Args:
            path: The folder.

        Raises:
            ValueError: If there is no such folder, it has fewer than two
                class folders, a class folder has no images, or another split
                has a class that `train` has not.
        """
        self.name = f"folder:{path}"
        self._root = pathlib.Path(path).expanduser()
        if not path or not self._root.is_dir():
            raise self._error("be an existing folder of images")
        names = [folder.name for folder in _folders(self._root)]
        masks = folder_masks.list_masks(self._root, names)
        if masks is not None:
            names.remove(folder_masks.FOLDER)
        if "train" in names:
            files = self._list_split_folders(names)
        else:
            files = self._list_one_folder(names)
        classes = sorted({class_name for class_name, _ in files["train"]})
        if len(classes) < 2:
            raise self._error(f"have at least two classes, not {classes}")
        self.labels = labels.in_words(classes)
        class_ids = {name: index for index, name in enumerate(classes)}
        self._examples = {
            split: [
                (file, class_ids[class_name])
                for class_name, file in sorted(part, key=lambda e: _hash(e[1]))
            ]
            for split, part in files.items()
        }
        self._masks = {
            file: masks[stem]
            for part in files.values()
            for _, file in part
            if (stem := os.path.splitext(file)[0]) in (masks or ())
        }
        self._checked = set()  # Images whose masks were found to fit.
        self.has_masks = bool(self._masks)

    def split_sizes(self) -> dict[str, int]:
        """Returns the number of examples of each split, by split name."""
        return {split: len(part) for split, part in self._examples.items()}

    def dataset(self, split: str) -> tf.data.Dataset:
        """Returns the examples of `split`; see `ImageSource.dataset`."""
        examples = [
            example
            for name, start, stop in base.read_ranges(split, self.split_sizes())
            for example in self._examples[name][start:stop]
        ]
        files, class_ids = zip(*examples, strict=True)
        columns = {
            "image": [os.fsencode(self._root / file) for file in files],
            "label": tf.constant(class_ids, tf.int64),
            "id": [os.fsencode(file) for file in files],
        }
        if self.has_masks:
            columns["mask"] = [self._checked_mask(file) for file in files]
        return tf.data.Dataset.from_tensor_slices(columns).map(
            _read, num_parallel_calls=tf.data.AUTOTUNE
        )

    def _checked_mask(self, file):
        """Returns the path of an image's mask, b"" if it has none."""
        if file not in self._masks:
            return b""
        path = self._root / self._masks[file]
        if file not in self._checked:
            folder_masks.check_mask(path, self._root / file)
            self._checked.add(file)
        return os.fsencode(path)

    def _list_split_folders(self, names):
        """Returns (class name, file) of each split of PATH/SPLIT/CLASS."""
        files = {}
        for folder, split in _SPLIT_FOLDERS.items():
            if folder not in names:
                continue
            if split in files:
                raise self._error("have one of the folders val and validation")
            class_folders = _folders(self._root / folder)
            files[split] = self._list_classes(folder, class_folders)
        known = {class_name for class_name, _ in files["train"]}
        for split, part in files.items():
            for class_name in sorted({name for name, _ in part} - known):
                raise self._error(
                    f"have only classes of train in its other splits; {split} "
                    f"has {class_name!r} too"
                )
        return files

    def _list_one_folder(self, names):
        """Returns (class name, file) of the splits made of PATH/CLASS."""
        if names and set(names) <= set(_SPLIT_FOLDERS):
            raise self._error(f"have a train folder beside {', '.join(names)}")
        files = {"train": [], "validation": []}
        class_folders = [self._root / name for name in names]
        for class_name, file in self._list_classes("", class_folders):
            in_train = _hash(file) < TRAIN_FRACTION * 2**64
            files["train" if in_train else "validation"].append(
                (class_name, file)
            )
        known = {class_name for class_name, _ in files["train"]}
        for class_name, _ in files["validation"]:
            if class_name not in known:
                raise self._error(
                    f"have more images of {class_name!r}, of which none fell "
                    "to train (or folders train and validation)"
                )
        return {split: part for split, part in files.items() if part}

    def _list_classes(self, folder, class_folders):
        """Returns (class name, file relative to PATH) of each image."""
        if not class_folders:
            parent = str(self._root / folder)
            raise self._error(f"have class folders in {parent!r}")
        examples = []
        for class_folder in class_folders:
            files = _images(class_folder)
            if not files:
                raise self._error(
                    f"have images ({', '.join(IMAGE_SUFFIXES)}) in each class "
                    f"folder; {str(class_folder)!r} has none"
                )
            examples += [
                (class_folder.name, file.relative_to(self._root).as_posix())
                for file in files
            ]
        return examples

    def _error(self, rule):
        return ValueError(
            f"The folder of name must {rule}. Received: name={self.name!r}"
        )


def _read(example):
    """Reads the files of an example."""
    read = dict(example, image=tf.io.read_file(example["image"]))
    if "mask" in example:
        read["mask"] = folder_masks.read_mask(example["mask"])
    return read


def _folders(folder):
    """Returns the visible sub-folders of a folder, by name."""
    return sorted(
        child
        for child in folder.iterdir()
        if child.is_dir() and not child.name.startswith(".")
    )


def _images(folder):
    """Returns the visible images below a folder, in no particular order."""
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            pathlib.Path(parent, name)
            for name in files
            if name.lower().endswith(IMAGE_SUFFIXES)
            and not name.startswith(".")
        ]
    return found


def _hash(file):
    """Returns 64 bits that depend on the relative path only."""
    return int.from_bytes(hashlib.sha256(os.fsencode(file)).digest()[:8])
