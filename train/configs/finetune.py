"""Published weights on a folder of your own images.

Source: common practice: a small learning rate, smaller still for the first
stages, whose features are general.

Hardware: a GPU, or a few hundred images on a CPU.

Command:
    python -m train.main --config=finetune --workdir=runs/mine \
        --config.dataset=folder:PATH --skip_corrupt

Expected result: depends on the photos. Run here: on small folders only (tests).

With weights of your own: `--config.weights=FILE`, with the `architecture` and
`width` they have.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """The configuration."""
    config = ml_collections.ConfigDict()
    config.seed = 0

    config.dataset = "folder:photos"
    config.train_split = "train[:95%]"
    config.holdout_split = "train[95%:]"  # Chooses the best epoch.
    config.eval_split = "validation"  # Reported; chooses nothing.
    config.channels = 3  # 1: grey.

    config.architecture = "bagnet33"
    config.width = 1.0
    config.weights = "imagenet"  # What all but the classifier starts from.

    config.image_size = 224  # Training crops, pixels.
    config.progressive_resizing = ()
    config.eval_image_size = 224
    config.min_crop_area = 0.5
    config.random_flip = True
    config.mixup = 0.0  # Concentration of MixUp's shares; 0: none.
    config.cutmix = 0.0  # The same of CutMix.

    config.epochs = 30
    config.batch_size = 32
    config.learning_rate = 0.01  # At the end of the warm-up.
    config.warmup_epochs = 1
    config.decay_epochs = ()  # A tenth from these on; (): cosine.
    config.momentum = 0.9
    config.nesterov = True
    config.weight_decay = 5e-4  # Decoupled: scaled by the learning rate.
    config.head = "softmax"  # Or sigmoid: each class by itself.
    config.class_weights = ()  # By class id; or "balanced".
    config.label_smoothing = 0.1
    config.learning_rate_factors = {
        "stem": 0.1,
        "stage1": 0.1,
        "stage2": 0.3,
        "stage3": 0.5,
    }
    config.evidence_l1 = 0.0  # Weight of the mean absolute patch logit.
    config.masked_training = ""  # Or true_class, window_pairs.
    config.masked_patch_size = 32  # Of what is masked, pixels of a crop.
    config.teacher = ""  # A .keras file to learn from.
    config.distillation_weight = 0.0  # The teacher's part of the loss.
    config.precision = "bfloat16"  # Or float32; float16 for GPUs.
    config.global_clipnorm = 0.0  # 0: gradients are not clipped.
    config.ema_momentum = 0.0  # 0: no moving average of the weights.

    config.accumulation_steps = 1  # Parts of a batch, one after the other.
    config.steps_per_call = 10  # Steps without a look at the progress.
    config.jit_compile = "auto"  # XLA on one GPU; or "on", "off".
    config.checkpoint_steps = 0  # Between checkpoints; 0: at epochs only.
    return config
