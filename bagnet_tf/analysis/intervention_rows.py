"""How are results of many images summed up? In rows with intervals."""

import collections
from collections.abc import Mapping, Sequence

import numpy as np

from bagnet_tf.analysis.rank_correlation import mean_interval


def over_networks(
    rows: Sequence[Mapping], kinds: Mapping[str, str]
) -> list[dict]:
    """Means of networks of one architecture, where there are several.

    Args:
        rows: Of `row_of`.
        kinds: The architecture of each network.

    Returns:
        Rows of the networks' means.
    """
    values = collections.defaultdict(list)
    for row in rows:
        if row["network"] in kinds:
            kind = kinds[row["network"]]
            values[row["protocol"], kind, row["method"]].append(row["mean"])
    return [
        row_of(protocol, f"{len(v)} x {kind}", method, v, "networks")
        for (protocol, kind, method), v in values.items()
        if len(v) > 1
    ]


def row_of(
    protocol: str,
    network: str,
    method: str,
    values: Sequence[float],
    over: str,
) -> dict:
    """The mean of some results and its 95 % interval.

    Args:
        protocol: How they were measured.
        network: Of which network.
        method: By which method of attribution.
        values: Independent results.
        over: What each of them is of, in the plural.

    Returns:
        A row of the table; what is not defined is `None`.
    """
    mean, low, high = map(finite, mean_interval(values))
    return {
        "protocol": protocol,
        "network": network,
        "method": method,
        "mean": mean,
        "low": low,
        "high": high,
        "count": len(values),
        "over": over,
    }


def nested(rows: Sequence[Mapping]) -> dict:
    """The rows by protocol, network and method, for JSON."""
    result = {}
    for row in rows:
        networks = result.setdefault(row["protocol"], {})
        methods = networks.setdefault(row["network"], {})
        methods[row["method"]] = {
            "mean": row["mean"],
            "interval95": [row["low"], row["high"]],
            row["over"]: row["count"],
        }
    return result


def finite(value: float) -> float | None:
    """The number, or `None` where it is none: JSON has no NaN."""
    return float(value) if np.isfinite(value) else None
