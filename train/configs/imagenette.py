"""BagNet-33 of half width, from scratch on Imagenette, on two CPU cores.

Source: the training pieces of the paper (SGD with momentum, random resized
crops, flips), with a cosine schedule and label smoothing in place of steps.
Small crops because the patch, not the photo, is what this network sees.

Hardware: two CPU cores.

Command:
    python -m train.main --config=imagenette --workdir=runs/imagenette \
        --data_dir=DIR

Expected result: top-1 74.8 % on the 3,925 validation photos (95 % interval 73.4
to 76.1), in 101 minutes. Run here: yes, on photos stored at 224 x 224 pixels.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """The configuration."""
    config = ml_collections.ConfigDict()
    config.seed = 0

    config.dataset = "imagenette/320px-v2"
    config.train_split = "train[:95%]"
    config.holdout_split = "train[95%:]"  # Chooses the best epoch.
    config.eval_split = "validation"  # Reported; chooses nothing.
    config.channels = 3  # 1: grey.

    config.architecture = "bagnet33"
    config.width = 0.5
    config.weights = ""  # What all but the classifier starts from.

    config.image_size = 96  # Training crops, pixels.
    config.progressive_resizing = ()
    config.eval_image_size = 128
    config.min_crop_area = 0.25
    config.random_flip = True
    config.mixup = 0.0  # Concentration of MixUp's shares; 0: none.
    config.cutmix = 0.0  # The same of CutMix.

    config.epochs = 16
    config.batch_size = 64
    config.learning_rate = 0.1  # At the end of the warm-up.
    config.warmup_epochs = 2
    config.decay_epochs = ()  # A tenth from these on; (): cosine.
    config.momentum = 0.9
    config.nesterov = True
    config.weight_decay = 5e-4  # Decoupled: scaled by the learning rate.
    config.head = "softmax"  # Or sigmoid: each class by itself.
    config.class_weights = ()  # By class id; or "balanced".
    config.label_smoothing = 0.1
    config.learning_rate_factors = {}  # By first part of a weight's path.
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
