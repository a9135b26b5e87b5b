"""What does the built-in dataset show, and where is its true evidence?

Each image has three glyphs of its class, the true evidence, among four to six
distractors that all classes share. Glyphs and distractors are strokes of the
same width, placed, turned and coloured by the same rules, so that only the
shape of the three tells the class.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from bagnet_tf.datasets import glyph_shapes

LABELS = tuple(glyph_shapes.CLASS_SHAPES)
SPLIT_SIZES = {"train": 6000, "validation": 1000}
IMAGE_SIZE = 64  # Pixels.
CELL_SIZE = 12  # Pixels of the square that holds one glyph.
NUM_TRUE_GLYPHS = 3
NUM_DISTRACTORS = (4, 5, 6)

# Squares lie within rows and columns 2 ... 57, the part of the image in which
# every 12-pixel square has the centre of a patch of BagNet-9 (centres 4, 12,
# ..., 52) and of BagNet-17 (8, 16, ..., 48). The centres of BagNet-33 (16, 24,
# 32, 40) leave out squares that start before 5 or after 40.
_MARGIN_BEFORE = 2
_MARGIN_AFTER = 6
_GAP = 1  # Pixels between two squares, at least.

_DISTRACTORS = tuple(glyph_shapes.DISTRACTOR_SHAPES)
_NUM_COARSE = 6  # Nodes a side of the smooth part of the background.
_LABEL_STREAM = 1  # Apart from the stream of an image; 0 would equal it.


def generate(
    split: str, indices: Sequence[int], seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws examples; each depends on `seed`, `split` and its index only.

    Every ten examples from a multiple of ten on have the ten classes in random
    order.

    Example:
        >>> images, labels, masks = generate("train", range(100))

    Args:
        split: `"train"` or `"validation"`.
        indices: Numbers of the examples, 0 or greater.
        seed: Seed of the dataset, 0 or greater.

    Returns:
        A tuple of images, uint8 `(examples, 64, 64, 3)`, RGB 0-255; class ids,
        int64 `(examples,)`, 0-9; and masks, bool `(examples, 64, 64)`, true in
        the three 12-pixel squares that hold a glyph of the class (10.5 % of
        the image).

    Raises:
        ValueError: If the split is unknown or an index negative.
    """
    labels = generate_labels(split, indices, seed)
    shape = (len(indices), IMAGE_SIZE, IMAGE_SIZE)
    images = np.empty((*shape, 3), np.uint8)
    masks = np.zeros(shape, bool)
    for row, scene in enumerate(scenes(split, indices, seed)):
        images[row] = scene.image()
        for glyph in scene.glyphs[:NUM_TRUE_GLYPHS]:
            masks[row][glyph.place] = True
    return images, labels, masks


@dataclasses.dataclass(frozen=True)
class Glyph:
    """One glyph or distractor of an image.

    Attributes:
        name: A key of `glyph_shapes.CLASS_SHAPES` or `DISTRACTOR_SHAPES`.
        top: First row of its square of `CELL_SIZE` pixels.
        left: First column of its square.
        drawing: Which of its drawings (see `glyph_shapes.drawings`).
        contrast: How much lighter it is than what is behind it.
        tint: Of each colour, (3,).
    """

    name: str
    top: int
    left: int
    drawing: int
    contrast: float
    tint: np.ndarray

    @property
    def place(self) -> tuple[slice, slice]:
        """Its square: rows and columns of an image."""
        return (
            slice(self.top, self.top + CELL_SIZE),
            slice(self.left, self.left + CELL_SIZE),
        )


@dataclasses.dataclass(frozen=True)
class Scene:
    """What an image is made of, so that it can be made with one thing changed.

    Attributes:
        glyphs: The true ones first (`NUM_TRUE_GLYPHS`), then distractors.
        background: float64 (64, 64, 3).
        grain: Noise over all of it, float64 (64, 64, 1).
    """

    glyphs: tuple[Glyph, ...]
    background: np.ndarray
    grain: np.ndarray

    def image(self) -> np.ndarray:
        """Paints it: uint8 (64, 64, 3), RGB 0-255."""
        image = self.background.copy()
        for glyph in self.glyphs:
            _paint(image[glyph.place], glyph)
        image += self.grain
        return np.round(255.0 * np.clip(image, 0.0, 1.0)).astype(np.uint8)

    def without(self, index: int) -> "Scene":
        """The same scene with bare background where one glyph was."""
        rest = self.glyphs[:index] + self.glyphs[index + 1 :]
        return dataclasses.replace(self, glyphs=rest)

    def swapped(self, index: int, name: str) -> "Scene":
        """The same scene with another shape where one glyph was."""
        glyphs = list(self.glyphs)
        glyphs[index] = dataclasses.replace(glyphs[index], name=name)
        return dataclasses.replace(self, glyphs=tuple(glyphs))


def scenes(split: str, indices: Sequence[int], seed: int = 0) -> list[Scene]:
    """Returns what the images of `generate` are made of; see there.

    Example:
        >>> scene = scenes("validation", [0])[0]
        >>> before, after = scene.image(), scene.without(0).image()
    """
    labels = generate_labels(split, indices, seed)
    split_number = list(SPLIT_SIZES).index(split)
    return [
        _scene(
            np.random.default_rng([seed, split_number, index]), LABELS[label]
        )
        for index, label in zip(indices, labels, strict=True)
    ]


def generate_labels(
    split: str, indices: Sequence[int], seed: int = 0
) -> np.ndarray:
    """Returns the class ids of examples, int64 `(examples,)`; draws nothing.

    See `generate`.
    """
    if split not in SPLIT_SIZES:
        raise ValueError(
            f"split must be one of {', '.join(SPLIT_SIZES)}. "
            f"Received: split={split!r}"
        )
    if min(indices, default=0) < 0:
        raise ValueError(
            f"indices must be 0 or greater. Received: indices={indices!r}"
        )
    number = list(SPLIT_SIZES).index(split)
    return np.array([_label(seed, number, i) for i in indices], np.int64)


def _label(seed, split_number, index):
    block, position = divmod(index, len(LABELS))
    rng = np.random.default_rng([seed, split_number, block, _LABEL_STREAM])
    return rng.permutation(len(LABELS))[position]


def _scene(rng, label):
    """Makes up an image of a class."""
    num_distractors = rng.choice(NUM_DISTRACTORS)
    names = [label] * NUM_TRUE_GLYPHS + [
        _DISTRACTORS[choice]
        for choice in rng.integers(len(_DISTRACTORS), size=num_distractors)
    ]
    squares = _place(rng, len(names))
    background = _background(rng)
    glyphs = tuple(
        Glyph(
            name,
            *square,
            drawing=rng.integers(len(glyph_shapes.drawings(name, CELL_SIZE))),
            # Lighter than what is behind it, and of any tint.
            contrast=rng.uniform(0.3, 0.5),
            tint=1.0 + rng.uniform(-0.45, 0.45, 3),
        )
        for name, square in zip(names, squares, strict=True)
    )
    grain = rng.normal(0.0, 0.025, (IMAGE_SIZE, IMAGE_SIZE, 1))
    return Scene(glyphs, background, grain)


def _place(rng, count):
    """Returns (top, left) of squares that do not touch, at random places."""
    num_starts = IMAGE_SIZE - _MARGIN_BEFORE - _MARGIN_AFTER - CELL_SIZE + 1
    reach = CELL_SIZE + _GAP
    while True:  # A start that leaves no room for all is thrown away.
        free = np.ones((num_starts, num_starts), bool)
        squares = []
        while len(squares) < count and free.any():
            place = rng.choice(np.flatnonzero(free))
            row, column = divmod(int(place), num_starts)
            free[
                max(row - reach + 1, 0) : row + reach,
                max(column - reach + 1, 0) : column + reach,
            ] = False
            squares.append((row + _MARGIN_BEFORE, column + _MARGIN_BEFORE))
        if len(squares) == count:
            # Later ones had to take what was left; who came first is no cue.
            return [squares[i] for i in rng.permutation(count)]


def _background(rng):
    """Returns smooth noise about a random colour, float64 (64, 64, 3)."""
    colour = rng.uniform(0.2, 0.4, 3)
    shade = rng.normal(0.0, 0.07, (_NUM_COARSE, _NUM_COARSE, 1))
    tint = rng.normal(0.0, 0.035, (_NUM_COARSE, _NUM_COARSE, 3))
    rows = np.tensordot(_UPSAMPLING, shade + tint, 1)  # (64, 6, 3)
    return colour + _UPSAMPLING @ rows


def _cosine_upsampling():
    """Returns weights (64, 6) that interpolate between nodes, smoothly."""
    position = np.linspace(0.0, _NUM_COARSE - 1.0, IMAGE_SIZE)[:, np.newaxis]
    distance = np.abs(position - np.arange(_NUM_COARSE))
    return 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance, 1.0))


_UPSAMPLING = _cosine_upsampling()


def _paint(square, glyph):
    """Blends a glyph into its square of an image (12, 12, 3), in place."""
    drawing = glyph_shapes.drawings(glyph.name, CELL_SIZE)[glyph.drawing]
    behind = square.mean(axis=(0, 1))
    square += drawing[:, :, np.newaxis] * (
        behind + glyph.contrast * glyph.tint - square
    )
