"""How are the results of a verification shown to a person?"""

from collections.abc import Iterable, Mapping

from .verify import Verification


def format_table(
    verifications: Iterable[Verification], sizes: Mapping[str, int]
) -> str:
    """A table for people.

    Args:
        verifications: The results.
        sizes: Bytes of each artefact.

    Returns:
        Lines of text. Errors of (patch) logits are in units of the largest
        patch logit, of additivity in units of the largest logit.
    """
    header = ("artefact", "MB", "logits", "patch logits", "additivity")
    rows = [(*header, "decisions", "")]
    problems = []
    for v in verifications:
        patch_unit = v.largest_patch_logit or 1.0
        rows.append(
            (
                v.artefact,
                f"{sizes[v.artefact] / 1e6:.2f}",
                f"{v.logits_error / patch_unit:.1e}",
                f"{v.patch_logits_error / patch_unit:.1e}",
                f"{v.additivity_error / (v.largest_logit or 1.0):.1e}",
                f"{v.decision_agreement:.1%}",
                "ok" if v.passed else "FAILED",
            )
        )
        if v.problem is not None:
            problems.append(f"{v.artefact}: {v.problem}")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines + problems)
