"""What is known of shipped and published weights? Plain data, a record each."""

import dataclasses
import difflib
import importlib.resources
import json
import types
from collections.abc import Iterator, Mapping

# ImageNet statistics of RGB values in 0..255 (torchvision's, times 255).
RGB_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
RGB_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)

# What ships inside the package: NAME.weights.h5, and NAME.json with what was
# measured of it; one command writes both.
SHIPPED_FOLDER = importlib.resources.files("bagnet_tf") / "presets_data"

_IMGCLSMOB = "https://github.com/osmr/imgclsmob/releases/download"
_OFFICIAL = (
    "https://bitbucket.org/wielandbrendel/bag-of-feature-pretrained-models/"
    "raw/249e8fa82c0913623a807d9d35eeab9da7dcc2a8"
)
_FLOAT32_ONLY = (
    "Nearly dead layers: evaluate in float32 (published top-1 of BagNet-33: "
    "66.70 % in float32, 64.23 % in TF32, 57.96 % in float16)."
)


@dataclasses.dataclass(frozen=True)
class Preset:
    """Shipped or published weights and what belongs to them.

    Attributes:
        name: By which `preset_info` finds the record.
        architecture: Name of the variant, a key of `ARCHITECTURES`.
        url: Where the weights are published; empty if they ship inside the
            package.
        file: Name of the file of weights; where `url` is a zip archive, the
            name of its member.
        hash_algorithm: `"sha1"` or `"sha256"`.
        file_hash: Hash of that file, hexadecimal; only its beginning where
            no more is published.
        metrics: Of published weights, the published accuracy on ImageNet's
            validation split, 0..1. Of shipped ones, what we measured on that
            of their dataset, and the temperature of their logits.
        licence: Of the weights, as far as known.
        notes: What else a user should know; may be empty.
        classes: Width of the classifier.
        width: What the architecture's numbers of channels are multiplied by.
        own_labels: English names of the classes; empty for ImageNet's, which
            `labels` has too.
        input_size: (height, width) of the input in evaluation, pixels.
        mean: Of the training images by channel, RGB in 0..255.
        std: Standard deviation, likewise.
    """

    name: str
    architecture: str
    url: str
    file: str
    hash_algorithm: str
    file_hash: str
    metrics: Mapping[str, float] = dataclasses.field(hash=False)
    licence: str
    notes: str = ""
    classes: int = 1000
    width: float = 1.0
    own_labels: tuple[str, ...] = ()
    input_size: tuple[int, int] = (224, 224)
    mean: tuple[float, float, float] = RGB_MEAN
    std: tuple[float, float, float] = RGB_STD

    @property
    def weights(self) -> str:
        """What `weights=` of the variant's builder calls it."""
        return self.name.removeprefix(f"{self.architecture}-")

    @property
    def labels(self) -> tuple[str, ...]:
        """English names of the classes, by class id."""
        if self.own_labels:
            return self.own_labels
        # Imported here: the package brings the datasets along.
        from bagnet_tf.datasets.labels import imagenet_labels

        return tuple(imagenet_labels().values())

    @property
    def needs_torch(self) -> bool:
        """Whether the file can only be read with PyTorch installed."""
        return not self.file.endswith(".h5")


def _accuracy(top1: float, top5: float) -> Mapping[str, float]:
    return types.MappingProxyType({"top1": top1, "top5": top5})


def _imgclsmob(architecture, release, file, sha1, top1, top5) -> Preset:
    return Preset(
        name=f"{architecture}-imagenet",
        architecture=architecture,
        url=f"{_IMGCLSMOB}/{release}/{file}.zip",
        file=file,
        hash_algorithm="sha1",
        file_hash=sha1,
        metrics=_accuracy(top1, top5),
        licence="MIT (osmr/imgclsmob)",
    )


def _official(architecture, file, sha256, top1, top5, notes="") -> Preset:
    return Preset(
        name=f"{architecture}-imagenet-official",
        architecture=architecture,
        url=f"{_OFFICIAL}/{file}",
        file=file,
        hash_algorithm="sha256",
        file_hash=sha256,
        metrics=_accuracy(top1, top5),
        licence="not stated here: see the source repository "
        "(wielandbrendel/bag-of-local-features-models)",
        notes=f"{_FLOAT32_ONLY} {notes}".strip(),
    )


_RECORDS = (
    _imgclsmob(
        "bagnet9",
        "v0.0.553",
        "bagnet9-2541-f2c2b3c2.tf2.h5",
        "f2c2b3c2282d510792dc08b4f8ea212a2de9596d",
        0.5122,
        0.7459,
    ),
    _imgclsmob(
        "bagnet17",
        "v0.0.558",
        "bagnet17-1523-f21a3580.tf2.h5",
        "f21a35804ecea7bee12f7ab7e7f9dfbe1bef98b1",
        0.6344,
        0.8477,
    ),
    _imgclsmob(
        "bagnet33",
        "v0.0.561",
        "bagnet33-1041-29b0a063.tf2.h5",
        "29b0a0634dec61d81619f63630f3e9bb45e8e13e",
        0.7056,
        0.8959,
    ),
    _official(
        "bagnet9",
        "bagnet8-34f4ccd2.pth.tar",
        "34f4ccd2",
        0.46,
        0.70,
        "The accuracies are approximate.",
    ),
    _official(
        "bagnet17", "bagnet16-105524de.pth.tar", "105524de", 0.588, 0.805
    ),
    _official(
        "bagnet33",
        "bagnet32-2ddd53ed.pth.tar",
        "2ddd53ed",
        0.667,
        0.870,
        "The paper gives 87.6 % for top-5.",
    ),
)
_PUBLISHED = types.MappingProxyType({r.name: r for r in _RECORDS})

# Of shipped weights: what no measurement says.
_SHIPPED = types.MappingProxyType(
    {
        "imagenette": {
            "licence": "Apache-2.0 for the weights; they were trained on "
            "photos of ImageNet, whose terms allow non-commercial research "
            "and education only",
            "notes": "Knows ten classes, and puts every photo into one of "
            "them. Model card: docs/presets/imagenette.md.",
        }
    }
)


class _Presets(Mapping):
    """All records by name; a shipped one is read when it is asked for."""

    def __getitem__(self, name: str) -> Preset:
        return _shipped(name) if name in _SHIPPED else _PUBLISHED[name]

    def __iter__(self) -> Iterator[str]:
        yield from _SHIPPED
        yield from _PUBLISHED

    def __len__(self) -> int:
        return len(_SHIPPED) + len(_PUBLISHED)


PRESETS = _Presets()


def preset_info(name: str) -> Preset:
    """Returns what is known of shipped or published weights.

    Args:
        name: `"imagenette"`, which ships with the package, or
            `"bagnet33-imagenet"` for `BagNet33(weights="imagenet")`,
            `"bagnet33-imagenet-official"` for
            `BagNet33(weights="imagenet-official")`; likewise `bagnet17` and
            `bagnet9`.

    Returns:
        A frozen record: architecture, width, classes, labels, input size for
        evaluation, normalisation, metrics, licence, URL, file and its hash.

    Raises:
        ValueError: If there is no preset of this name, or the record of a
            shipped one is missing or damaged.

    Example:
        >>> bagnet_tf.preset_info("bagnet33-imagenet").metrics["top1"]
        0.7056
    """
    if name not in PRESETS:
        close = difflib.get_close_matches(str(name), PRESETS) or list(PRESETS)
        raise ValueError(
            f"name must be a preset, one of {', '.join(close)}. "
            f"Received: name={name!r}"
        )
    return PRESETS[name]


def _shipped(name: str) -> Preset:
    """Reads the record of weights that ship inside the package."""
    path = SHIPPED_FOLDER / f"{name}.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Preset(
            name=name,
            architecture=record["architecture"],
            url="",
            file=record["file"],
            hash_algorithm="sha256",
            file_hash=record["sha256"],
            metrics=types.MappingProxyType(record["metrics"]),
            classes=len(record["labels"]),
            width=record["width"],
            own_labels=tuple(record["labels"]),
            input_size=tuple(record["input_size"]),
            **_SHIPPED[name],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"name {name!r} needs the package's own {path.name}, whole; "
            f"install bagnet_tf again ({type(error).__name__}: {error}). "
            f"Received: {path}"
        ) from error
