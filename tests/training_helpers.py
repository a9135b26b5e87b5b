"""A training run that takes seconds."""

from train.configs import glyphs


def tiny_config(**changes):
    """The glyphs configuration, cut down to 2 epochs of 3 steps."""
    config = glyphs.get_config()
    config.update(
        train_split="train[:24]",
        holdout_split="train[24:40]",
        eval_split="validation[:20]",
        width=0.05,
        epochs=2,
        batch_size=8,
        learning_rate=0.05,
        random_flip=True,
        min_crop_area=0.5,
        precision="float32",
        steps_per_call=1,
    )
    config.update(changes)
    return config
