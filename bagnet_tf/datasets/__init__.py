"""Image sources: TFDS datasets, folders of images and built-in glyphs.

Names are imported on first use (PEP 562): the labels need no TensorFlow.
"""

import importlib

_MODULE_OF = {
    "ImageSource": "base",
    "corrupt_images": "corrupt",
    "image_source": "sources",
}

__all__ = ["ImageSource", "corrupt_images", "image_source"]


def __getattr__(name: str):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
    return getattr(module, name)
