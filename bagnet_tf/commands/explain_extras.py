"""What does `explain` compute of a photo on demand, beside its explanation?"""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from bagnet_tf.certification.statements import Certifier
from bagnet_tf.commands.certify_text import parsed_size
from bagnet_tf.commands.flag_mistakes import named_by
from bagnet_tf.geometry import geometry_of
from bagnet_tf.heads import is_centred
from bagnet_tf.heatmap import HeatmapNetwork
from bagnet_tf.model_info import ModelInfo
from bagnet_tf.photo_report import Photo
from bagnet_tf.rendering import DenseMaps


def dense_maps_of(
    model: keras.Model, head: str, stride: int | None
) -> Callable[[Photo, np.ndarray], DenseMaps | None]:
    """A function of a photo and class ids that gives maps to draw.

    Args:
        model: A BagNet with a classifier.
        head: What the logits mean.
        stride: Of the maps, pixels; with the model's own, or None, there are
            none beside the grid's.
    """
    if stride in (None, geometry_of(model).stride):
        return lambda photo, class_ids: None
    network = HeatmapNetwork(model, stride)  # Folded and traced once.

    def dense_maps(photo, class_ids):
        images = photo.image[None].astype(np.float32)
        values = network(images, class_ids.tolist(), "same", is_centred(head))
        return DenseMaps(values[0], stride)

    return dense_maps


def certificates_of(
    model: keras.Model, info: ModelInfo, sizes: Sequence[str]
) -> Callable[[np.ndarray], Sequence[dict]]:
    """A function of the model's input that gives what is proven of it.

    Args:
        model: A BagNet with a classifier.
        info: What belongs to it.
        sizes: Of patches, as the user wrote them; may be none.

    Raises:
        ValueError: If a size is none, or see `Certifier`.
    """
    if not sizes:
        return lambda image: ()
    parsed = [parsed_size(text, "certify_patch_size") for text in sizes]
    with named_by("certify_patch_size"):
        return Certifier(model, info.labels, parsed, info.image_size, info.head)
