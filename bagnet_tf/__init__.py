"""BagNets in Keras 3: exact, additive patch evidence.

Names are imported on first use (PEP 562), so that `import bagnet_tf` is
quick and needs no TensorFlow.
"""

import importlib

from bagnet_tf.version import __version__

_MODULE_OF = {
    "ARCHITECTURES": "architecture",
    "Architecture": "architecture",
    "BAGNET9": "architecture",
    "BAGNET17": "architecture",
    "BAGNET33": "architecture",
    "CONTROL": "architecture",
    "BagNet": "models",
    "BagNet9": "models",
    "BagNet17": "models",
    "BagNet33": "models",
    "Box": "geometry",
    "Certificate": "certification",
    "Defense": "certification",
    "Explanation": "explanation",
    "HeatmapNetwork": "heatmap",
    "Patch": "explanation",
    "PatchGeometry": "geometry",
    "Preset": "presets",
    "Region": "regions",
    "Stage": "architecture",
    "StoredPatchLogits": "stored_patch_logits",
    "certify": "certification",
    "decode_predictions": "predictions",
    "dense_heatmap": "heatmap",
    "explain": "evidence",
    "find_regions": "regions",
    "fit_threshold": "regions",
    "geometry_of": "geometry",
    "inference_model": "inference",
    "load_preset": "loading",
    "patch_logits_model": "evidence",
    "preset_info": "presets",
    "plot_heatmap": "rendering",
}

__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name: str):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
    return getattr(module, name)


def __dir__():
    return sorted(__all__)
