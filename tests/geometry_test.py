"""Do the integers of the geometry agree with counting by hand?"""

import itertools

import keras
from absl.testing import absltest, parameterized

import bagnet_tf
from bagnet_tf.geometry import Box, PatchGeometry

# Receptive field and stride, independent of any architecture; the last two
# leave gaps between patches or have no overlap.
_GEOMETRIES = (
    ("bagnet9", PatchGeometry(9, 8)),
    ("bagnet17", PatchGeometry(17, 8)),
    ("bagnet33", PatchGeometry(33, 8)),
    ("small", PatchGeometry(5, 2)),
    ("no_overlap", PatchGeometry(4, 4)),
    ("gaps", PatchGeometry(3, 5)),
)
_RECEPTIVE_FIELDS = {"bagnet9": 9, "bagnet17": 17, "bagnet33": 33}
_VARIANTS = tuple((name, name) for name in bagnet_tf.ARCHITECTURES)


def _convolutions(architecture):
    """(kernel size, stride) of all convolutions on the main path."""
    yield from ((1, 1), (3, 1))
    for stage in architecture.stages:
        for block, kernel_size in enumerate(stage.kernel_sizes):
            yield (1, 1)
            yield (kernel_size, stage.stride if block == 0 else 1)
            yield (1, 1)


def _output_size(architecture, size):
    """Cells along one axis, by running through the convolutions."""
    for kernel_size, stride in _convolutions(architecture):
        size = len(range(0, size - kernel_size + 1, stride))
    return size


def _pixels_seen(architecture, cell):
    """(first, last) input pixel of a cell, back through the convolutions."""
    first = last = cell
    for kernel_size, stride in reversed(list(_convolutions(architecture))):
        first, last = first * stride, last * stride + kernel_size - 1
    return first, last


class ArchitectureTest(parameterized.TestCase):
    def test_no_variant_is_without_receptive_field(self):
        self.assertEqual(
            _RECEPTIVE_FIELDS.keys(), bagnet_tf.ARCHITECTURES.keys()
        )

    @parameterized.named_parameters(*_VARIANTS)
    def test_receptive_field_and_stride(self, variant):
        geometry = bagnet_tf.ARCHITECTURES[variant].geometry
        self.assertEqual(geometry, PatchGeometry(_RECEPTIVE_FIELDS[variant], 8))

    @parameterized.named_parameters(*_VARIANTS)
    def test_grid_is_what_the_convolutions_leave(self, variant):
        architecture = bagnet_tf.ARCHITECTURES[variant]
        geometry = architecture.geometry
        for size in range(geometry.receptive_field, 260):
            cells = _output_size(architecture, size)
            grid = geometry.grid_shape(size, geometry.receptive_field)
            self.assertEqual(grid, (cells, 1), size)

    @parameterized.named_parameters(*_VARIANTS)
    def test_box_is_what_the_convolutions_read(self, variant):
        architecture = bagnet_tf.ARCHITECTURES[variant]
        for row, col in itertools.product(range(5), repeat=2):
            top, last_row = _pixels_seen(architecture, row)
            left, last_col = _pixels_seen(architecture, col)
            self.assertEqual(
                architecture.geometry.box(row, col),
                Box(top, left, last_row + 1, last_col + 1),
            )


class PatchGeometryTest(parameterized.TestCase):
    @parameterized.named_parameters(*_GEOMETRIES)
    def test_boxes_fill_the_image_as_far_as_they_go(self, geometry):
        q = geometry.receptive_field
        for height, width in itertools.product(range(q, q + 20, 3), repeat=2):
            rows, cols = geometry.grid_shape(height, width)
            self.assertLessEqual(geometry.box(rows - 1, 0).bottom, height)
            self.assertLessEqual(geometry.box(0, cols - 1).right, width)
            self.assertGreater(geometry.box(rows, 0).bottom, height)
            self.assertGreater(geometry.box(0, cols).right, width)

    @parameterized.named_parameters(*_GEOMETRIES)
    def test_centre_is_in_the_middle_of_the_box(self, geometry):
        box, (y, x) = geometry.box(2, 3), geometry.centre(2, 3)
        if geometry.receptive_field % 2:
            self.assertEqual(y - box.top, box.bottom - 1 - y)
            self.assertEqual(x - box.left, box.right - 1 - x)
        self.assertBetween(y, box.top, box.bottom - 1)
        self.assertBetween(x, box.left, box.right - 1)

    @parameterized.named_parameters(*_GEOMETRIES)
    def test_cells_touching_are_those_whose_box_holds_a_pixel(self, geometry):
        rows = cols = 4
        seen = [
            set(range(geometry.box(i, 0).top, geometry.box(i, 0).bottom))
            for i in range(rows)
        ]
        size = geometry.box(rows - 1, 0).bottom + geometry.stride
        for start, length in itertools.product(
            range(-3, size), (0, 1, 2, 7, 12, size)
        ):
            pixels = set(range(start, start + length))
            expected = [i for i in range(rows) if seen[i] & pixels]
            cells = geometry.cells_touching(start, 0, length, 1, (rows, cols))
            touched = list(range(cells.top, cells.bottom))
            self.assertEqual(touched, expected, (start, length))

    def test_cells_touching_keeps_rows_and_columns_apart(self):
        geometry = PatchGeometry(9, 8)
        cells = geometry.cells_touching(30, 2, 3, 20, (5, 7))
        self.assertEqual(cells, Box(3, 0, 5, 3))

    def test_cells_touching_the_unseen_rim_are_none(self):
        geometry = PatchGeometry(33, 8)
        cells = geometry.cells_touching(217, 0, 7, 224, (24, 24))
        self.assertEqual(cells.top, cells.bottom)

    @parameterized.named_parameters(*_GEOMETRIES)
    def test_unseen_margin_is_what_no_box_holds(self, geometry):
        q = geometry.receptive_field
        for height, width in ((q, q + 1), (q + 7, q + 8), (q + 13, q + 30)):
            rows, cols = geometry.grid_shape(height, width)
            margin = (
                height - max(geometry.box(i, 0).bottom for i in range(rows)),
                width - max(geometry.box(0, j).right for j in range(cols)),
            )
            self.assertEqual(geometry.unseen_margin(height, width), margin)

    @parameterized.named_parameters(*_VARIANTS)
    def test_seven_pixels_are_unseen_at_224(self, variant):
        geometry = bagnet_tf.ARCHITECTURES[variant].geometry
        self.assertEqual(geometry.unseen_margin(224, 225), (7, 0))

    @parameterized.named_parameters(*_GEOMETRIES)
    def test_covering_size_is_the_next_without_margin(self, geometry):
        q = geometry.receptive_field
        for size in range(1, 120):
            covered = (
                side
                for side in itertools.count(max(size, q))
                if geometry.unseen_margin(side, side) == (0, 0)
            )
            self.assertEqual(geometry.covering_size(size), next(covered))

    @parameterized.parameters((32, 100), (100, 32), (0, 0))
    def test_image_smaller_than_the_receptive_field(self, height, width):
        geometry = PatchGeometry(33, 8)
        message = f"33x33 pixels. Received: height={height}, width={width}"
        with self.assertRaisesRegex(ValueError, message):
            geometry.grid_shape(height, width)
        with self.assertRaisesRegex(ValueError, message):
            geometry.unseen_margin(height, width)


def _sequential(*layers):
    return keras.Sequential([keras.Input((32, 32, 3)), *layers], name="other")


class GeometryOfTest(parameterized.TestCase):
    @parameterized.named_parameters(*_VARIANTS)
    def test_of_a_model_is_that_of_its_architecture(self, variant):
        architecture = bagnet_tf.ARCHITECTURES[variant]
        for include_top in (True, False):
            model = bagnet_tf.BagNet(
                architecture, width=1 / 16, include_top=include_top
            )
            self.assertEqual(
                bagnet_tf.geometry_of(model), architecture.geometry
            )

    @parameterized.named_parameters(
        ("padded", keras.layers.Conv2D(4, 3, padding="same", name="odd")),
        ("dilated", keras.layers.Conv2D(4, 3, dilation_rate=2, name="odd")),
        ("oblong_kernel", keras.layers.Conv2D(4, (3, 1), name="odd")),
        ("oblong_stride", keras.layers.Conv2D(4, 3, (2, 1), name="odd")),
        ("depthwise", keras.layers.DepthwiseConv2D(
            3, padding="same", name="odd")),
        ("pooling", keras.layers.MaxPooling2D(name="odd")),
        ("average", keras.layers.AveragePooling2D(2, name="odd")),
        ("padding", keras.layers.ZeroPadding2D(name="odd")),
        ("upsampling", keras.layers.UpSampling2D(name="odd")),
        ("transposed", keras.layers.Conv2DTranspose(4, 3, name="odd")),
        ("flatten", keras.layers.Flatten(name="odd")),
    )  # fmt: skip
    def test_other_model_is_refused(self, layer):
        model = _sequential(keras.layers.Conv2D(4, 3, name="first"), layer)
        message = "model must be a BagNet.*Received: model='other'.*'odd'"
        with self.assertRaisesRegex(ValueError, message):
            bagnet_tf.geometry_of(model)

    def test_model_without_convolutions_is_refused(self):
        model = _sequential(keras.layers.GlobalAveragePooling2D())
        with self.assertRaisesRegex(ValueError, "model must be a BagNet"):
            bagnet_tf.geometry_of(model)

    def test_nested_model_is_refused(self):
        inner = keras.Sequential([keras.layers.Conv2D(4, 3)], name="inner")
        model = _sequential(keras.layers.Conv2D(4, 3), inner)
        with self.assertRaisesRegex(ValueError, "'inner'"):
            bagnet_tf.geometry_of(model)


if __name__ == "__main__":
    absltest.main()
