"""How is it written into a .tflite file what an image classifier takes?

TFLite metadata: a flatbuffer of its own among the buffers of the model, and
the label file zipped behind the model. MediaPipe Tasks read both. Written here
are the few tables that a classifier needs, because the library that writes all
of them comes with MediaPipe only, whose wheels do without it since 1.0.

Source of names and slots: mediapipe/tasks/metadata/metadata_schema.fbs.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence

import flatbuffers
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

LABELS_FILE = "labels.txt"

# The buffer's name in the model, its file identifier, and the first version of
# the schema that has all that is written.
_BUFFER_NAME = b"TFLITE_METADATA"
_FILE_IDENTIFIER = b"M001"
_MIN_PARSER_VERSION = "1.0.0"

# Members of unions and enumerations.
_FEATURE_PROPERTIES, _IMAGE_PROPERTIES = 1, 2
_RGB = 1
_NORMALIZATION_OPTIONS = 1
_TENSOR_AXIS_LABELS = 2


def with_classifier_metadata(
    model: bytes, name: str, labels: Sequence[str]
) -> bytes:
    """A classifier of RGB images, with what MediaPipe must know of it.

    Args:
        model: A .tflite file of one subgraph: an image 0-255 in, one score for
            each class out.
        name: What to call the model.
        labels: Class names, by class id.

    Returns:
        The same with metadata (no normalisation is left to do, and scores are
        0-1) and a label file, which any program that unpacks zip files reads.
    """
    unpacked = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    buffer = schema.BufferT()
    buffer.data = _metadata(name)
    unpacked.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = _BUFFER_NAME
    entry.buffer = len(unpacked.buffers) - 1
    unpacked.metadata = [*(unpacked.metadata or ()), entry]
    file = io.BytesIO(flatbuffer_utils.convert_object_to_bytearray(unpacked))
    with zipfile.ZipFile(file, "a") as archive:
        # A ZipInfo has a date of its own, so that the same model gives the
        # same file.
        text = "".join(f"{label}\n" for label in labels)
        archive.writestr(zipfile.ZipInfo(LABELS_FILE), text)
    return file.getvalue()


def _metadata(name: str) -> bytes:
    """The table ModelMetadata and all below it."""
    tables = _Tables()
    subgraph = tables.add(
        {
            2: tables.vector([_image(tables)]),  # input_tensor_metadata
            3: tables.vector([_scores(tables)]),  # output_tensor_metadata
        }
    )
    return tables.finish(
        {
            0: tables.string(name),
            3: tables.vector([subgraph]),  # subgraph_metadata
            7: tables.string(_MIN_PARSER_VERSION),  # min_parser_version
        }
    )


def _image(tables: "_Tables") -> int:
    """TensorMetadata of the input: RGB 0-255, taken as it is."""
    content = tables.add(
        {1: tables.add(numbers={0: _RGB})}, {0: _IMAGE_PROPERTIES}
    )
    normalization = tables.add(
        {0: tables.floats([0.0]), 1: tables.floats([1.0])}  # mean, std
    )
    unit = tables.add({1: normalization}, {0: _NORMALIZATION_OPTIONS})
    return tables.add(
        {
            0: tables.string("image"),
            3: content,
            4: tables.vector([unit]),  # process_units
            5: _stats(tables, 255.0),
        }
    )


def _scores(tables: "_Tables") -> int:
    """TensorMetadata of the output: a score 0-1 for each label."""
    file = tables.add({0: tables.string(LABELS_FILE)}, {2: _TENSOR_AXIS_LABELS})
    return tables.add(
        {
            0: tables.string("probabilities"),
            3: tables.add({1: tables.add()}, {0: _FEATURE_PROPERTIES}),
            5: _stats(tables, 1.0),
            6: tables.vector([file]),  # associated_files
        }
    )


def _stats(tables: "_Tables", largest: float) -> int:
    """Stats: values are 0 to `largest`."""
    return tables.add({0: tables.floats([largest]), 1: tables.floats([0.0])})


class _Tables:
    """Writes flatbuffer tables by the numbers of their slots."""

    def __init__(self):
        self._builder = flatbuffers.Builder()

    def add(
        self,
        references: Mapping[int, int] | None = None,
        numbers: Mapping[int, int] | None = None,
    ) -> int:
        """A table of references to what was added, and of one-byte numbers."""
        references, numbers = references or {}, numbers or {}
        self._builder.StartObject(max([-1, *references, *numbers]) + 1)
        for slot, offset in references.items():
            self._builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        for slot, number in numbers.items():
            self._builder.PrependUint8Slot(slot, number, 0)
        return self._builder.EndObject()

    def string(self, text: str) -> int:
        return self._builder.CreateString(text)

    def vector(self, offsets: Sequence[int]) -> int:
        self._builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self._builder.PrependUOffsetTRelative(offset)
        return self._builder.EndVector()

    def floats(self, values: Sequence[float]) -> int:
        self._builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self._builder.PrependFloat32(value)
        return self._builder.EndVector()

    def finish(self, references: Mapping[int, int]) -> bytes:
        """All tables, the last one being the root."""
        root = self.add(references)
        self._builder.Finish(root, _FILE_IDENTIFIER)
        return bytes(self._builder.Output())
