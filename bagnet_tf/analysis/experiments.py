"""Which experiments are there? A table, without TensorFlow."""

import dataclasses
import difflib
import math
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Option:
    """A flag that only some experiments have.

    Attributes:
        default: Its value unless it is given; its type is the flag's: int,
            float, str, or a tuple of ints or of strs. A tuple of ints has at
            least one.
        help: What it is, in one sentence.
        minimum: The least number that is accepted.
        maximum: The largest one.
        room: Of sides of squares, in pixels: for how many of the largest an
            image must have room side by side. Defaults that are too large
            for an image are halved; see `bagnet_tf.analysis.options`. 0: it
            is no such option.
    """

    default: object
    help: str
    minimum: float = 1
    maximum: float = math.inf
    room: int = 0


# Flags of several experiments mean the same in all of them.
OPTIONS: Mapping[str, Option] = {
    "patches_per_class": Option(
        8, "Patches of a class in each of its two rows.", 1, 50
    ),
    "class_ids": Option((), "Ids or names of the classes to show.", 0),
    "num_shown": Option(8, "Photos in the figure.", 1, 100),
    "tile_sizes": Option(
        (8, 16, 32, 64),
        "Sides of the tiles that are shuffled, pixels of the model's input; "
        "halved for images that have no room for two of the largest.",
        room=2,
    ),
    "feature_network": Option(
        "",
        "A Keras network, by path or keras.applications name, whose features' "
        "Gram matrices make textures of the photos.",
    ),
    "feature_layers": Option(
        (), "Layers of it; by default the last of each resolution."
    ),
    "synthesis_steps": Option(200, "Steps of the texture synthesis."),
    "patch_sizes": Option(
        (8, 16, 24, 32),
        "Sides of the masked patches, pixels; halved for images that have no "
        "room for three of the largest.",
        room=3,
    ),
    "top_k": Option(1, "How many of the largest logits may be the label."),
    "methods": Option(
        (), "Methods of attribution; by default all that the model has."
    ),
    "patch_size": Option(8, "Side of the masked patches, pixels."),
    "masked_patches": Option(
        (1, 2, 5, 10, 20, 50, 100),
        "How many patches are masked, as far as there are so many.",
    ),
    "smooth_samples": Option(16, "Noisy copies of SmoothGrad."),
    "integration_steps": Option(16, "Steps of integrated gradients."),
    "cam_channels": Option(32, "Channels of Score-CAM, of the largest spread."),
    "epsilon": Option(0.01, "Of epsilon-LRP.", 0),
    "num_seeds": Option(
        5, "Sets of glyphs, each of num_images, none trained on.", 2
    ),
    "num_mosaics": Option(10, "Mosaics of four photos."),
    "experiments": Option(
        (), "Which experiments; by default all that can be run."
    ),
}


_ATTRIBUTION = (
    "methods",
    "smooth_samples",
    "integration_steps",
    "cam_channels",
    "epsilon",
)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes:
        description: What it shows, in one line.
        module: The module of `bagnet_tf.analysis` whose `run` takes an
            `AnalysisRequest` and returns a `Result`.
        options: Names in `OPTIONS` of the flags that it reads.
        num_images: How many images it takes unless told; `None` for all.
        needs_patches: Whether the model must be a BagNet.
        needs_comparison: Whether there must be other classifiers.
        takes_comparison: Whether there may be other classifiers.
    """

    description: str
    module: str
    options: tuple[str, ...] = ()
    num_images: int | None = None
    needs_patches: bool = True
    needs_comparison: bool = False
    takes_comparison: bool = False


EXPERIMENTS: Mapping[str, Experiment] = {
    "accuracy-vs-patch": Experiment(
        "Accuracy of several models against their receptive fields.",
        "accuracy_vs_patch",
        needs_patches=False,
        takes_comparison=True,
    ),
    "informative-patches": Experiment(
        "The patches with the largest evidence for each class.",
        "informative_patches",
        ("patches_per_class", "class_ids"),
    ),
    "misclassified": Experiment(
        "The worst errors: evidence of the decision, of the true class.",
        "misclassified",
        ("num_shown",),
    ),
    "texturised": Experiment(
        "Accuracy on photos whose global structure is destroyed.",
        "texturised",
        (
            "tile_sizes",
            "feature_network",
            "feature_layers",
            "synthesis_steps",
        ),
        num_images=200,
        needs_patches=False,
        takes_comparison=True,
    ),
    "interactions": Experiment(
        "Do the effects of masking distant patches add up?",
        "interactions",
        ("patch_sizes",),
        num_images=50,
        needs_patches=False,
        takes_comparison=True,
    ),
    "error-agreement": Experiment(
        "Do two models find the same classes, the same photos difficult?",
        "error_agreement",
        ("top_k",),
        needs_patches=False,
        needs_comparison=True,
        takes_comparison=True,
    ),
    "attribution": Experiment(
        "Whose map finds the patches without which the decision falls?",
        "attribution",
        ("patch_size", "masked_patches", *_ATTRIBUTION),
        num_images=50,
        needs_patches=False,
        takes_comparison=True,
    ),
    "interventions": Experiment(
        "Attribution against what happens when a part is removed.",
        "interventions",
        ("num_seeds", "num_mosaics", *_ATTRIBUTION),
        num_images=25,
        needs_patches=False,
        takes_comparison=True,
    ),
    "logit-histogram": Experiment(
        "Distribution and sparsity of patch logits.",
        "logit_histogram",
        num_images=500,
    ),
    "report": Experiment(
        "A chosen set of the other experiments on one page of HTML.",
        "report",
        tuple(OPTIONS),
        num_images=1000,  # Of experiments that else take all.
        needs_patches=False,
        takes_comparison=True,
    ),
}


def find_experiment(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
        ValueError: If there is none; close names are told.
    """
    if name not in EXPERIMENTS:
        close = difflib.get_close_matches(name, EXPERIMENTS)
        hint = f" (close: {', '.join(close)})" if close else ""
        raise ValueError(
            f"EXPERIMENT must be one of {', '.join(EXPERIMENTS)}{hint}. "
            f"Received: EXPERIMENT={name}"
        )
    return EXPERIMENTS[name]
