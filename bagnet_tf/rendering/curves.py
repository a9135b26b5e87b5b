"""What does a training run look like? Its learning curves."""

from collections.abc import Mapping, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

_TRAINING = {"color": "#4477aa", "label": "training"}
# With a larger ratio of losses the low ones are one flat line: held-out losses
# of 1,000 come where moving statistics are not yet those of the weights.
_MOST_LINEAR = 50
_HELD_OUT = {"color": "#cc6677", "label": "held out"}


def render_curves(
    history: Sequence[Mapping[str, float | None]], title: str
) -> Figure:
    """Draws loss, accuracy and learning rate over the epochs.

    Args:
        history: An entry an epoch: `epoch`, `loss`, `accuracy`,
            `holdout_loss`, `learning_rate`, and `holdout_accuracy` or
            `holdout_mean_auroc`, which may be `None`.
        title: Above all of it.

    Returns:
        A figure with an Agg canvas.

    Raises:
        ValueError: If there is no entry.

    Example:
        >>> lines = open("metrics.jsonl").read().splitlines()
        >>> figure = render_curves([json.loads(line) for line in lines], "run")
        >>> figure.savefig("metrics.png")
    """
    if not history:
        raise ValueError("history must have an entry. Received: none")
    figure = Figure((11, 3.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", weight="bold")
    axes = figure.subplots(1, 3)
    epochs = [entry["epoch"] for entry in history]

    def draw(place, key, **style):
        values = [entry[key] for entry in history]
        # A single epoch is a point.
        place.plot(epochs, values, marker="o", markersize=3, **style)

    draw(axes[0], "loss", **_TRAINING)
    draw(axes[0], "holdout_loss", **_HELD_OUT)
    losses = [e[key] for e in history for key in ("loss", "holdout_loss")]
    if max(losses) > _MOST_LINEAR * min(losses) > 0:
        axes[0].set_yscale("log")
    draw(axes[1], "accuracy", **_TRAINING)
    if "holdout_accuracy" in history[0]:
        draw(axes[1], "holdout_accuracy", **_HELD_OUT)
    else:
        label = {"label": "held out, mean AUROC"}
        draw(axes[1], "holdout_mean_auroc", **_HELD_OUT | label)
        axes[1].legend(fontsize=8, frameon=False)
    draw(axes[2], "learning_rate", color="#555555")
    axes[1].yaxis.set_major_formatter(PercentFormatter(1.0))
    for place, name in zip(
        axes, ("loss (nats)", "accuracy", "learning rate"), strict=True
    ):
        place.set_title(name, loc="left", size=10)
        place.set_xlabel("epoch", size=9)
        place.xaxis.set_major_locator(MaxNLocator(integer=True))
        place.tick_params(labelsize=8)
        place.grid(color="#dddddd", linewidth=0.6)
        place.spines[["top", "right"]].set_visible(False)
    axes[0].legend(fontsize=8, frameon=False)
    return figure
