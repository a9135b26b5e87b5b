"""How does the site read our docstrings? Their examples are code."""

import re

import griffe


class Examples(griffe.Extension):
    """Takes `Example:` for the section `Examples:`, which is set as code."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Changes the docstring of an object that was read.

        Args:
            obj: The object.
        """
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"^Example:$", "Examples:", obj.docstring.value, flags=re.M
            )
