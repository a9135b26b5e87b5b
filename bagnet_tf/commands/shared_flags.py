"""How are flags spelled that several commands have? Each is defined once.

Every function takes the flags of a command, and returns what absl's
`flags.DEFINE_...` do.
"""

from absl import flags

from bagnet_tf.presets import PRESETS

# The flags belong to the commands, not to this module.
flags.disclaim_key_flags()

_String = flags.FlagHolder[str | None]


def model(flag_values: flags.FlagValues, required: bool = True) -> _String:
    """Which model: `bagnet_tf.loading.load_model` takes the value."""
    return flags.DEFINE_string(
        "model",
        None,
        f"A .keras file, or the name of a preset: {', '.join(PRESETS)}. "
        "Published weights, the bagnet... ones, are downloaded on first use.",
        required=required,
        flag_values=flag_values,
    )


def image_size(flag_values: flags.FlagValues) -> flags.FlagHolder[int | None]:
    """Side of the model's input, pixels."""
    return flags.DEFINE_integer(
        "image_size",
        None,
        "Side of the input, pixels; by default the model's own.",
        lower_bound=1,
        flag_values=flag_values,
    )


def labels(flag_values: flags.FlagValues) -> _String:
    """File of class names: `bagnet_tf.loading.read_labels` takes the value."""
    return flags.DEFINE_string(
        "labels",
        None,
        "Text file of class names, one a line; by default the model's own.",
        flag_values=flag_values,
    )


def dataset(flag_values: flags.FlagValues, required: bool = True) -> _String:
    """On which images: `bagnet_tf.datasets.image_source` takes the value."""
    return flags.DEFINE_string(
        "dataset",
        None,
        "A TFDS name, folder:PATH, or glyphs.",
        required=required,
        flag_values=flag_values,
    )


def split(flag_values: flags.FlagValues) -> flags.FlagHolder[str]:
    """Which of the dataset's images."""
    return flags.DEFINE_string(
        "split",
        "validation",
        "Split of the dataset, in TFDS's grammar.",
        flag_values=flag_values,
    )


def batch_size(flag_values: flags.FlagValues) -> flags.FlagHolder[int]:
    """How many images the model sees at once."""
    return flags.DEFINE_integer(
        "batch_size",
        64,
        "Images a step.",
        lower_bound=1,
        flag_values=flag_values,
    )


def data_dir(flag_values: flags.FlagValues) -> _String:
    """Where datasets lie: `bagnet_tf.datasets.image_source` takes the value."""
    return flags.DEFINE_string(
        "data_dir",
        None,
        "Folder of TFDS datasets; by default TFDS's own.",
        flag_values=flag_values,
    )


def skip_corrupt(flag_values: flags.FlagValues) -> flags.FlagHolder[bool]:
    """Whether images that cannot be decoded are left out."""
    return flags.DEFINE_bool(
        "skip_corrupt",
        False,
        "Go without images that cannot be decoded, and say how many.",
        flag_values=flag_values,
    )


def image(flag_values: flags.FlagValues) -> flags.FlagHolder[list[str]]:
    """Which photos are explained."""
    return flags.DEFINE_list(
        "image",
        None,
        "Image files, separated by commas.",
        required=True,
        flag_values=flag_values,
    )


def class_ids(
    flag_values: flags.FlagValues,
) -> flags.FlagHolder[list[str] | None]:
    """Which classes are explained: `find_classes` takes the value."""
    return flags.DEFINE_list(
        "class_ids",
        None,
        "Ids or names of the classes to explain, the patches being those of "
        "the first; by default the three most probable ones of each image.",
        flag_values=flag_values,
    )


def output_folder(flag_values: flags.FlagValues) -> flags.FlagHolder[str]:
    """Where several results go."""
    return flags.DEFINE_string(
        "output",
        None,
        "Folder to write to.",
        required=True,
        flag_values=flag_values,
    )


def output_file(flag_values: flags.FlagValues) -> _String:
    """Where the numbers go: `checked_output` takes the value."""
    return flags.DEFINE_string(
        "output", None, "JSON file to write.", flag_values=flag_values
    )


def json(flag_values: flags.FlagValues) -> flags.FlagHolder[bool]:
    """Whether a program reads what is printed: see `json_answer`."""
    return flags.DEFINE_bool(
        "json",
        False,
        "Print the numbers as one JSON object on stdout, and all else on "
        "stderr.",
        flag_values=flag_values,
    )


def overwrite(flag_values: flags.FlagValues) -> flags.FlagHolder[bool]:
    """Whether existing results may be replaced."""
    return flags.DEFINE_bool(
        "overwrite", False, "Replace existing results.", flag_values=flag_values
    )
