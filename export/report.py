"""How are the results of a verification shown to a person?"""

from collections.abc import Iterable, Mapping

from .verification import Verification


def format_table(
    verifications: Iterable[Verification], sizes: Mapping[str, int]
) -> str:
    """A table for people.

    Args:
        verifications: The results.
        sizes: Bytes of each artefact.

    Returns:
        Lines of text. Milliseconds are those of an image on all cores; errors
        of (patch) logits are in units of the largest patch logit, of
        additivity in units of the largest logit; decisions and patches are
        shares that agree with the model; maps are correlations of contrast
        maps with the model's, median and 5th percentile. Below are problems,
        and what was found of robust logits.
    """
    rows = [
        (
            *("artefact", "MB", "ms", "logits", "patch logits", "additivity"),
            *("decisions", "patches", "maps", "worst 5 %", ""),
        )
    ]
    notes = []
    for v in verifications:
        patch_unit = v.largest_patch_logit or 1.0
        additivity = v.additivity_error
        if v.patch_logits_error is None:
            additivity = None
        rows.append(
            (
                v.artefact,
                f"{sizes[v.artefact] / 1e6:.2f}",
                _number(v.milliseconds, ".1f"),
                _number(v.logits_error, ".1e", patch_unit),
                _number(v.patch_logits_error, ".1e", patch_unit),
                _number(additivity, ".1e", v.largest_logit or 1.0),
                f"{v.decision_agreement:.1%}",
                _number(v.patch_agreement, ".1%"),
                _number(v.contrast_correlation, ".4f"),
                _number(v.contrast_correlation_p5, ".4f"),
                "ok" if v.passed else "FAILED",
            )
        )
        if v.problem is not None:
            notes.append(f"{v.artefact}: {v.problem}")
        elif v.robust is not None:
            notes.append(
                f"{v.artefact}: robust decisions of certify "
                f"{v.robust.decision_agreement:.1%}, error "
                f"{v.robust.error:.1e}; certified {v.robust.certified:.1%}"
            )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines + notes)


def _number(value: float | None, spec: str, unit: float = 1.0) -> str:
    return "-" if value is None else format(value / unit, spec)
