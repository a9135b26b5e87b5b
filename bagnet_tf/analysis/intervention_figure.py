"""How are the results of interventions drawn?"""

from collections.abc import Mapping, Sequence

from bagnet_tf.analysis.attribution_methods import METHODS
from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.figures import Chart, Panel, Series

# Title, y axis, chance.
_PROTOCOLS = {
    "glyph removed": (
        "One glyph removed: effect and map on it",
        "rank correlation",
        0.0,
    ),
    "glyph swapped": (
        "One glyph swapped: effect and map on it",
        "rank correlation",
        0.0,
    ),
    "single deletion": (
        "One square of sixteen removed: effect and map on it",
        "rank correlation",
        0.0,
    ),
    "mosaic share": (
        "Mosaic of four: positive map in its own photo",
        "share",
        0.25,
    ),
}
_MOST_NETWORKS = 8  # Colours.


def intervention_chart(
    request: AnalysisRequest, rows: Sequence[Mapping]
) -> Chart:
    """Draws each protocol as bars, a group a method, a colour a network.

    Where several networks of one architecture are given, their means are
    shown instead of them.
    """
    drawn = [row for row in rows if row["protocol"] in _PROTOCOLS]
    if any(row["over"] == "networks" for row in drawn):
        drawn = [
            row
            for row in drawn
            if row["over"] == "networks" or "untrained" in row["network"]
        ]
    panels = [
        _panel(protocol, [r for r in drawn if r["protocol"] == protocol])
        for protocol in dict.fromkeys(row["protocol"] for row in drawn)
    ]
    overs = dict.fromkeys(row["over"] for row in drawn)
    return Chart(
        f"Interventions on {request.source.name}",
        panels,
        note=f"{request.num_images} images of {request.split}; bars are means "
        f"over {' or '.join(overs)} with 95 % intervals (Student's t). All "
        "maps explain the same: the leading class's class-centred logit, on "
        "glyphs its difference to the strongest rival.",
    )


def _panel(protocol, rows) -> Panel:
    title, axis, chance = _PROTOCOLS[protocol]
    methods = [m for m in METHODS if any(r["method"] == m for r in rows)]
    series = []
    networks = dict.fromkeys(row["network"] for row in rows)
    for network in list(networks)[:_MOST_NETWORKS]:
        of_method = {r["method"]: r for r in rows if r["network"] == network}
        found = [of_method.get(method, {}) for method in methods]
        means = [row.get("mean") for row in found]
        series.append(
            Series(
                [METHODS[method].title for method in methods],
                means,
                network,
                kind="bars",
                low=_ends(found, "low"),
                high=_ends(found, "high"),
            )
        )
    series.append(
        Series([], [chance], "chance", kind="level", colour=-1, dashed=True)
    )
    # Wider intervals, of few repetitions, are cut off.
    limits = (0, 1) if chance else (-0.3, 1.05)
    return Panel(title, "", axis, series, y_limits=limits)


def _ends(found, key) -> list[float]:
    """Ends of the intervals: the mean where there is none, or NaN."""
    nothing = float("nan")
    ends = [
        row.get("mean") if row.get(key) is None else row[key] for row in found
    ]
    return [nothing if end is None else end for end in ends]
