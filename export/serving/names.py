"""Under which names does a server offer an exported model?"""

import re


def served_name(model: str) -> str:
    """The name of a model in the server's configuration and addresses.

    Args:
        model: Its name in the metadata.

    Returns:
        The same, with a hyphen for each character that means something in an
        address; and as Docker asks for, at least two characters of which the
        first is a letter or a digit.

    Example:
        >>> served_name("my model/2")
        'my-model-2'
    """
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", model).lstrip("-._")
    return name if len(name) > 1 else f"model-{name}".rstrip("-")
