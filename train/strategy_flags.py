"""How are the flags of distribution spelled? As in `bagnet_tf.commands`.

`train.strategies.make_strategy` takes their values.
"""

from absl import flags

NAMES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")

# The flags belong to the commands, not to this module.
flags.disclaim_key_flags()


def strategy(flag_values: flags.FlagValues) -> flags.FlagHolder[str]:
    """Which strategy."""
    return flags.DEFINE_enum(
        "strategy",
        "auto",
        NAMES,
        "How to distribute: mirrored over all GPUs of this machine (auto, if "
        "there are several), multi_worker over the machines of the "
        "environment variable TF_CONFIG.",
        flag_values=flag_values,
    )


def cpu_replicas(flag_values: flags.FlagValues) -> flags.FlagHolder[int]:
    """How many devices the CPU stands for."""
    return flags.DEFINE_integer(
        "cpu_replicas",
        0,
        "Let the CPU stand for so many devices, to try mirrored and "
        "multi_worker.",
        lower_bound=0,
        flag_values=flag_values,
    )
