"""Where is the data that some tests need and the repository does not hold?"""

import pathlib
import runpy
import unittest

import numpy as np

_FOLDER = pathlib.Path(__file__).resolve().parents[2] / "shared"


def shared(*parts: str) -> pathlib.Path:
    """Returns a path in the folder `shared` beside the repository.

    Args:
        *parts: The parts of the path below that folder.

    Returns:
        The path, which exists.

    Raises:
        unittest.SkipTest: If it does not, so that the test that asks for it is
            skipped.
    """
    path = _FOLDER.joinpath(*parts)
    if not path.exists():
        raise unittest.SkipTest(f"This test needs {path}, which is not here.")
    return path


def golden_state_dict(
    variant: str, layout: str = "official"
) -> dict[str, np.ndarray]:
    """Returns the stand-in weights that the golden arrays were made with.

    Args:
        variant: `"bagnet9"`, `"bagnet17"` or `"bagnet33"`.
        layout: Whose names the weights have: `"official"` or `"pytorchcv"`.

    Returns:
        Arrays by their names in the reference checkpoint.

    Raises:
        unittest.SkipTest: If the golden data is not here.
    """
    script = runpy.run_path(str(shared("golden", "state_dict.py")))
    return script["state_dict"](variant, layout)
