"""How much accuracy does locality cost? Top-1 and top-5 by receptive field.

The paper (figure 1 and section 3 [recalled, not read]): BagNets of q = 9, 17
and 33 on ImageNet's validation split, against AlexNet, VGG-16 and others.

Differences: any models, on any dataset whose classes they know, each at its own
image size, with 95 % intervals; networks that are no BagNets are horizontal
lines, as they see the whole image. The published numbers for ImageNet stand in
a panel of their own: on other data they are no reference.
"""

from bagnet_tf.analysis.ranks import label_ranks
from bagnet_tf.analysis.request import AnalysisRequest
from bagnet_tf.analysis.result import Result
from bagnet_tf.architecture import ARCHITECTURES
from bagnet_tf.figures import Chart, Panel, Series
from bagnet_tf.intervals import rate
from bagnet_tf.presets import PRESETS

_TOP = (1, 5)
# Of a network that the paper compares BagNets with; as keras.io lists it.
_GLOBAL = {"VGG-16": {"top1": 0.713, "top5": 0.901}}


def run(request: AnalysisRequest) -> Result:
    """Measures the accuracy of every classifier."""
    classes = len(request.source.labels)
    tops = [k for k in _TOP if k < classes]
    rows, measured = [], {}
    for classifier in request.classifiers:
        _, ranks = label_ranks(request, classifier)
        scores = {
            f"top{k}": rate(int((ranks < k).sum()), len(ranks)) for k in tops
        }
        geometry = classifier.geometry
        facts = {
            "receptive_field": geometry.receptive_field if geometry else None,
            "parameters": classifier.model.count_params(),
            "image_size": list(classifier.image_size),
        }
        measured[classifier.name] = facts | scores
        rows.append(_row(classifier, facts, scores))
    summary = {
        "num_images": request.num_images,
        "num_classes": classes,
        "measured": measured,
        "published_imagenet": _published() | {"global": _GLOBAL},
    }
    return Result({"": _figure(request, tops, rows)}, rows, summary)


def _row(classifier, facts, scores) -> dict:
    row = {"model": classifier.title, "name": classifier.name} | facts
    row["image_size"] = "x".join(map(str, facts["image_size"]))
    for name, score in scores.items():
        row[name] = score["value"]
        row[f"{name}_low"], row[f"{name}_high"] = score["interval95"]
    return row


def _published() -> dict:
    """Numbers for ImageNet, of the authors and of the best public weights."""
    found = {"official": {}, "best": {}}
    for name, architecture in ARCHITECTURES.items():
        field = architecture.geometry.receptive_field
        for kind, preset in (
            ("official", f"{name}-imagenet-official"),
            ("best", f"{name}-imagenet"),
        ):
            metrics = dict(PRESETS[preset].metrics)
            found[kind][preset] = {"receptive_field": field} | metrics
    return found


def _figure(request, tops, rows) -> Chart:
    panels = []
    for k in tops:
        series = [_points(f"top{k}", rows)]
        series += [
            Series([], [row[f"top{k}"]], row["model"], "level", dashed=True)
            for row in rows
            if row["receptive_field"] is None
        ]
        panels.append(_panel(f"Measured: top-{k}", k, series))
    panels += [_published_panel(k) for k in _TOP]
    return Chart(
        f"Accuracy against receptive field, {request.source.name}",
        panels,
        note=f"{request.num_images} photos of {request.split} "
        f"({len(request.source.labels)} classes), 95 % intervals; every model "
        "at its own image size. Dashed: networks that see the whole photo. "
        "Published numbers are of ImageNet's 1,000 classes.",
    )


def _points(key, rows) -> Series:
    local = [row for row in rows if row["receptive_field"] is not None]
    local.sort(key=lambda row: row["receptive_field"])
    return Series(
        [row["receptive_field"] for row in local],
        [row[key] for row in local],
        kind="points",
        low=[row[f"{key}_low"] for row in local],
        high=[row[f"{key}_high"] for row in local],
        names=[row["model"] for row in local],
    )


def _published_panel(k) -> Panel:
    series = []
    for kind, marks in _published().items():
        values = sorted(
            (mark["receptive_field"], mark[f"top{k}"])
            for mark in marks.values()
        )
        fields, scores = zip(*values, strict=True)
        label = "paper's weights" if kind == "official" else "best public"
        series.append(Series(fields, scores, label, dashed=kind == "official"))
    for name, metrics in _GLOBAL.items():
        mark = Series([], [metrics[f"top{k}"]], name, "level", colour=-1)
        series.append(mark)
    return _panel(f"Published, ImageNet: top-{k}", k, series)


def _panel(title, k, series) -> Panel:
    return Panel(
        title,
        "receptive field q, pixels",
        f"top-{k} accuracy",
        series,
        percent="y",
        y_limits=(0, 1),
        x_limits=(0, 40),
    )
