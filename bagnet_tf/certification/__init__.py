"""Which decisions cannot be changed by a patch? Proofs from patch logits.

A *defence* is a rule that decides from patch logits. Its decision on an image
is *certified* if no patch of a given size, wherever it is stuck and whatever
is printed on it, changes that decision: a patch reaches the grid cells that
see it and no others. Names are imported on first use (PEP 562).
"""

import importlib

_MODULE_OF = {
    "Certificate": "certificate",
    "DEFENSES": "defenses",
    "Defense": "defenses",
    "box_sums": "windows",
    "certify": "certificate",
    "fit_gauge": "gauge",
    "window_shape": "windows",
}

__all__ = list(_MODULE_OF)


def __getattr__(name: str):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULE_OF[name]}")
    return getattr(module, name)
