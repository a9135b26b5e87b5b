"""Which version is this, and with which libraries does it run?"""

import platform

# The one literal that packaging reads.
__version__ = "0.1.0"


def library_versions() -> dict[str, str]:
    """Versions of this library, of those that compute, and of Python."""
    # Only now, so that whoever asks for __version__ need not wait for them.
    import keras
    import tensorflow as tf

    return {
        "bagnet_tf": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "python": platform.python_version(),
    }
