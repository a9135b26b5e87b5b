"""How are defences and patch sizes spelled, and how are results shown?"""

import dataclasses
from collections.abc import Mapping

from bagnet_tf.certification.defenses import Defense

_SETTINGS = tuple(field.name for field in dataclasses.fields(Defense)[1:])


def parsed_size(text: str, flag: str = "patch_size") -> tuple[int, int]:
    """Reads a patch size, SIDE or HEIGHTxWIDTH, as (height, width).

    Raises:
        ValueError: If it is none.
    """
    sides = text.lower().split("x")
    if len(sides) == 1:
        sides *= 2
    if len(sides) != 2 or not all(
        s.isascii() and s.isdigit() and int(s) for s in sides
    ):
        raise ValueError(
            f"{flag} must be pixels, SIDE or HEIGHTxWIDTH. "
            f"Received: {flag}={text}"
        )
    return int(sides[0]), int(sides[1])


def parsed_defense(text: str) -> Defense:
    """Reads a defence, NAME or NAME:SETTING=VALUE[:SETTING=VALUE].

    Raises:
        ValueError: If it is none.
    """
    name, *settings = text.split(":")
    values = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        known = key in _SETTINGS
        try:
            values[key] = value if key == "features" else float(value)
        except ValueError:
            known = False
        if not equals or not known:
            raise ValueError(
                "defense must be NAME or NAME:SETTING=VALUE, with settings "
                f"of {', '.join(_SETTINGS)}. "
                f"Received: defense={text}"
            )
    return Defense(name, **values)


def certified_table(content: Mapping) -> str:
    """The results of `certify` for people, percent with 95 % intervals."""
    image = content["image_size"]
    lines = [
        f"{content['count']} images, {content['split']!r} of "
        f"{content['dataset']}, {image[0]}x{image[1]} pixels",
        f"plain decision, which has no certificate: right "
        f"{_percent(content['plain'])}",
    ]
    rows = [("patch", "defence", "right", "certified")]
    for result in content["results"]:
        size = "x".join(map(str, result["patch_size"]))
        rows.append(
            (
                f"{size} px",
                defense_text(result["defense"]),
                _percent(result["clean"]),
                _percent(result["certified"]),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [c.ljust(w) for c, w in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    lines += [_comparison(pair) for pair in content["paired"]]
    return "\n".join(lines)


def defense_text(settings: Mapping) -> str:
    """A defence as --defense takes it, without what is at its default."""
    default = Defense(settings["name"])
    parts = [
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in settings.items()
        if value != getattr(default, key)
    ]
    return ":".join([settings["name"], *parts])


def _comparison(pair: Mapping) -> str:
    first, second = map(defense_text, pair["defenses"])
    size = "x".join(map(str, pair["patch_size"]))
    return (
        f"{size} px: {pair['certified_by_the_first_only']} images certified "
        f"by {first} only, {pair['certified_by_the_second_only']} by {second} "
        f"only (McNemar's test: p = {pair['mcnemar_p']:.2g})"
    )


def _percent(share: Mapping) -> str:
    low, high = share["interval95"]
    return f"{share['value']:.1%} ({100 * low:.1f}-{100 * high:.1f})"
