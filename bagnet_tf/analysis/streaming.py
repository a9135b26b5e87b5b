"""How does an experiment see its images? Once, in order, and going on later."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tqdm

from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.datasets.batches import (
    corrupt_images_named,
    evaluation_batches,
)


def each_image(
    request: AnalysisRequest,
    name: str,
    compute: Callable[[Mapping[str, np.ndarray]], Iterable],
    image_size: tuple[int, int] | None = None,
    batch_size: int = 32,
) -> list:
    """Computes something of every image, or reads what an earlier run found.

    What is computed of an image must not depend on the others of its batch.

    Args:
        request: What the experiment is asked to do.
        name: Of this pass over the images, by which another run finds what
            this one has left; passes have different names.
        compute: Takes a batch as NumPy arrays: `image`, uint8
            (batch, height, width, channels); `label`, int64 (batch,); `id`,
            strings (batch,); `index`, int64 (batch,), from 0; and `mask`
            where the dataset has masks. Gives one JSON-ready value an image.
        image_size: (height, width) of the images; by default the model's.
        batch_size: The most images at once.

    Returns:
        The values of all images of the request, in order, as JSON reads them:
        tuples are lists.

    Raises:
        ValueError: If an image cannot be decoded.
    """
    done = len(request.partial.values(name))
    size = image_size or request.info.image_size
    progress = tqdm.tqdm(
        total=request.num_images,
        initial=done,
        desc=name,
        unit="image",
        disable=None,
        file=sys.stderr,
    )
    with progress, corrupt_images_named(request.source, request.split):
        for batch in _batches(request, size, done, batch_size):
            values = list(compute(batch))
            if len(values) != len(batch["label"]):
                raise AssertionError(f"{name}: one value an image")
            request.partial.add(name, values)
            progress.update(len(values))
    return request.partial.values(name)


def images_at(
    request: AnalysisRequest, indices: Sequence[int]
) -> dict[int, dict]:
    """Reads some images of the request again, by their indices.

    Returns:
        By index: `image`, `label` and `id` of one image.
    """
    wanted = set(indices)
    if not wanted:
        return {}
    found = {}
    for start, batch in _numbered(request, request.info.image_size, 0, 32):
        for place, index in enumerate(range(start, start + len(batch["id"]))):
            if index in wanted:
                found[index] = {key: batch[key][place] for key in batch}
        if len(found) == len(wanted):
            break
    return found


def _batches(request, size, done, batch_size):
    if done < request.num_images:
        for _, batch in _numbered(request, size, done, batch_size):
            yield batch


def _numbered(request, size, first, batch_size):
    """Yields batches from an image on, each with the index of its first."""
    batches = evaluation_batches(
        request.source, request.split, size, batch_size
    )
    rest = batches.unbatch().take(request.num_images).skip(first)
    for batch in rest.batch(batch_size).prefetch(tf.data.AUTOTUNE):
        arrays = {key: value.numpy() for key, value in batch.items()}
        count = len(arrays["label"])
        arrays["index"] = np.arange(first, first + count)
        yield first, arrays
        first += count
