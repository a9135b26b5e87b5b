"""What is a class called in English words?"""

import functools
import importlib.resources
import re
import types
from collections.abc import Iterable, Mapping

_WORDNET_ID = re.compile(r"n\d{8}")


@functools.cache
def imagenet_labels() -> Mapping[str, str]:
    """Returns the English names of the 1000 ImageNet classes by WordNet id.

    The order is that of the class ids, which is that of the sorted WordNet
    ids. The names are the first lemma of each synset, as listed by timm 1.0
    (`timm/data/_info/imagenet_synset_to_lemma.txt`, Apache-2.0); the cranes,
    maillots and Cardigans, which share theirs, were told apart by hand.

    Example:
        >>> imagenet_labels()["n01440764"]
        'tench'

    Returns:
        A read-only mapping of 1000 WordNet ids to as many different names.
    """
    resource = importlib.resources.files(__package__) / "imagenet_labels.tsv"
    lines = resource.read_text(encoding="utf-8").splitlines()
    return types.MappingProxyType(dict(line.split("\t") for line in lines))


def in_words(class_names: Iterable[str]) -> tuple[str, ...]:
    """Returns class names with WordNet ids replaced by English names.

    Args:
        class_names: Class names; those that are the WordNet id of an ImageNet
            class are replaced, all others stay as they are.

    Returns:
        As many names, in the same order.
    """
    return tuple(
        imagenet_labels().get(name, name)
        if _WORDNET_ID.fullmatch(name)
        else name
        for name in class_names
    )
