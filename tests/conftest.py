"""In which order do the tests' files run, and how often is memory swept?"""

import gc

# Minutes each. Begun first, none of them is left over for one worker alone.
_LONGEST = ("resume_test.py", "tutorials_test.py", "trainer_test.py")

# As often as by default, each sweep through TensorFlow's millions of objects
# would make a tenth of the tests' time.
gc.set_threshold(20_000, 20, 50)


def pytest_collection_modifyitems(items):
    """Moves the longest files to the front; the others keep their order."""
    items.sort(key=lambda item: item.path.name not in _LONGEST)
