"""Images: photos, uploads, DICOM, arrays, strips, and folders of them."""

import csv
import io

import numpy as np
from PIL import Image, ImageFilter

from bagnet_tf.datasets import image_source
from bagnet_tf.datasets.batches import corrupt_images_named, evaluation_batches
from bagnet_tf.geometry import Box
from bagnet_tf.photos import evaluation_transform, load_photo_and_notes
from bagnet_tf.readers import FileReader
from export.client.photos import evaluation_image, read_photo
from export.serving.uploads import upright_file
from tests.dataset_helpers import encoded_png, exif_of, write_images
from tests.dicom_helpers import CT, dicom_of
from tests.stress.targets import Target

_SIZE = (16, 20)


def _picture() -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (21, 30, 3), np.uint8)
    return Image.fromarray(noise).filter(ImageFilter.BoxBlur(2))


def _encoded(image, kind, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _photos(folder) -> list[bytes]:
    rgb = _picture()
    deep = np.random.default_rng(1).integers(0, 2**16, (21, 30), np.uint16)
    alpha = rgb.copy()
    alpha.putalpha(rgb.convert("L"))
    turned = exif_of(6)
    return [
        *(_encoded(rgb, k) for k in ("PNG", "JPEG", "GIF", "BMP", "TIFF")),
        *(_encoded(rgb, k) for k in ("WEBP", "PPM", "ICO", "TGA", "JPEG2000")),
        _encoded(rgb, "JPEG", progressive=True, **turned),
        _encoded(rgb.convert("CMYK"), "JPEG"),
        _encoded(rgb.convert("P"), "PNG", transparency=3),
        _encoded(alpha, "PNG", **turned),
        _encoded(alpha, "WEBP", lossless=True),
        _encoded(Image.fromarray(deep), "PNG"),
        _encoded(Image.fromarray(deep), "TIFF"),
        _encoded(rgb, "TIFF", compression="tiff_lzw"),
        _encoded(rgb.convert("1"), "TIFF", compression="group4"),
        _encoded(rgb, "GIF", save_all=True, append_images=[alpha]),
    ]


def _read_photo(folder, data):
    path = folder / "photo.png"
    path.write_bytes(data)
    photo, notes = load_photo_and_notes(path)
    assert photo.dtype == np.uint8 and photo.shape[2:] == (3,), photo.shape
    if max(photo.shape) < 5_000:
        evaluation_transform(photo, _SIZE)


def _read_upload(folder, data):
    photo = read_photo(data)
    if max(photo.shape) < 5_000:
        evaluation_image(photo, _SIZE, channels=1)


def _read_for_server(folder, data):
    path = folder / "photo.jpg"
    path.write_bytes(data)
    upright_file(path)


def _dicoms(folder) -> list[bytes]:
    def encoded(dataset):
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        return stream.getvalue()

    rng = np.random.default_rng(2)
    colour = rng.integers(0, 256, (6, 10, 3), np.uint8)
    frames = rng.integers(0, 256, (2, 6, 10), np.uint8)
    window = {"WindowCenter": 40, "WindowWidth": 400}
    scaled = {"RescaleSlope": "2", "RescaleIntercept": "-1000"}
    compressed = dicom_of(frames[0])
    compressed.compress("1.2.840.10008.1.2.5")  # Run length.
    return [
        encoded(dicom_of(CT, **window, **scaled)),
        encoded(dicom_of(CT, PhotometricInterpretation="MONOCHROME1")),
        encoded(dicom_of(colour)),
        encoded(dicom_of(frames, NumberOfFrames=2)),
        encoded(compressed),
    ]


def _read_dicom(folder, data):
    path = folder / "scan.dcm"
    path.write_bytes(data)
    photo, _ = load_photo_and_notes(path)
    assert photo.dtype == np.uint8 and photo.shape[2:] == (3,), photo.shape


def _read_strips(folder, data):
    path = folder / "large.png"
    path.write_bytes(data)
    reader = FileReader(path)
    height, width, channels = reader.shape
    rows = min(height, 1_000)
    for top in range(0, rows, 8):
        box = Box(top, 0, min(top + 8, rows), min(width, 1_000))
        strip = reader.read(box)
        assert strip.shape == (box.bottom - top, box.right, channels)


# === Datasets ===


def _folder_samples(folder) -> list[bytes]:
    write_images(
        folder / "images",
        *(f"train/{name}/{i}.png" for name in "ab" for i in range(2)),
        "val/a/other.png",
    )
    return [data for data in _photos(folder) if len(data) < 5_000]


def _read_folder(folder, data):
    """One of the images of a split is damaged: named, or passed over."""
    (folder / "images" / "val" / "a" / "damaged.png").write_bytes(data)
    name = f"folder:{folder / 'images'}"
    kept = image_source(name, skip_corrupt=True)
    whole = list(evaluation_batches(kept, "validation", _SIZE, 8))
    assert sum(len(batch["id"]) for batch in whole) in (1, 2)
    source = image_source(name)
    with corrupt_images_named(source, "validation"):
        list(evaluation_batches(source, "validation", _SIZE, 8))


def _arrays(folder) -> list[bytes]:
    rng = np.random.default_rng(3)
    write_images(folder / "arrays", "train/a/0.png", "train/b/1.png")
    for image in (folder / "arrays").rglob("*.png"):
        np.save(image.with_suffix(".npy"), np.zeros((6, 9, 5), np.uint8))
    found = []
    for kind in (np.uint8, np.uint16):
        stream = io.BytesIO()
        np.save(stream, rng.integers(0, 256, (6, 9, 5)).astype(kind))
        found.append(stream.getvalue())
    return found


def _read_array(folder, data):
    path = folder / "arrays" / "val" / "a" / "damaged.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    source = image_source(f"folder:{folder / 'arrays'}", channels=5)
    with corrupt_images_named(source, "validation"):
        list(source.dataset("validation"))


def _masks(folder) -> list[bytes]:
    write_images(
        folder / "masked",
        *(f"{s}/{name}/0.png" for name in "ab" for s in ("train", "val")),
        *(f"masks/{s}/a/0.png" for s in ("train", "val")),
    )
    grey = Image.fromarray(np.eye(1, dtype=np.uint8) * 255)
    return [encoded_png(7), _encoded(grey, "PNG"), _encoded(_picture(), "PNG")]


def _read_mask(folder, data):
    (folder / "masked" / "masks" / "val" / "a" / "0.png").write_bytes(data)
    source = image_source(f"folder:{folder / 'masked'}")
    with corrupt_images_named(source, "validation"):
        list(evaluation_batches(source, "validation", _SIZE, 8))


def _lists(folder) -> list[bytes]:
    files = [f"{name}/{i}.png" for name in "ab" for i in range(4)]
    write_images(folder / "listed", *files)

    def table(header, rows):
        stream = io.StringIO()
        csv.writer(stream).writerows([header, *rows])
        return stream.getvalue().encode()

    splits = ["train", "train", "val", "test"] * 2
    return [
        table(["path", "label"], [(f, f[0]) for f in files]),
        table(
            ["label", "path", "split", "group"],
            [
                (f"{f[0]};c" if "1" in f else f[0], f, s, f"g{i}")
                for i, (f, s) in enumerate(zip(files, splits, strict=True))
            ],
        ),
    ]


def _read_list(folder, data):
    (folder / "listed" / "images.csv").write_bytes(data)
    source = image_source(f"folder:{folder / 'listed' / 'images.csv'}")
    for split in source.split_sizes():
        source.num_examples(f"{split}[:50%]")


TARGETS = {
    "photo": Target(_photos, _read_photo, 180),
    "uploaded_photo": Target(_photos, _read_upload, 80),
    "photo_for_a_server": Target(_photos, _read_for_server, 30),
    "dicom": Target(_dicoms, _read_dicom, 80),
    "large_image": Target(_photos, _read_strips, 50),
    "image_of_a_folder": Target(_folder_samples, _read_folder, 30),
    "array_of_a_folder": Target(_arrays, _read_array, 25),
    "mask_of_a_folder": Target(_masks, _read_mask, 20),
    "manifest": Target(_lists, _read_list, 50),
}
