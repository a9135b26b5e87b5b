"""BagNet-33 on ImageNet as in the paper.

Source: Brendel & Bethge 2019, appendix A.1: torchvision's ImageNet script with
an initial learning rate of 0.01. Its weight decay of 1e-4 goes through the
momentum there; decoupled, 1e-3 shrinks as much. Theirs also shrinks
normalisation, ours does not.

Hardware: meant for 4 to 8 GPUs.

Command:
    python -m train.main --config=imagenet_paper --workdir=runs/imagenet_paper \
        --data_dir=DIR

Expected result: the published 66.7 % top-1 and 87.0 % top-5. Run here: no.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """The configuration."""
    config = ml_collections.ConfigDict()
    config.seed = 0

    config.dataset = "imagenet2012"
    config.train_split = "train[:99%]"
    config.holdout_split = "train[99%:]"  # Chooses the best epoch.
    config.eval_split = "validation"  # Reported; chooses nothing.
    config.channels = 3  # 1: grey.

    config.architecture = "bagnet33"
    config.width = 1.0
    config.weights = ""  # What all but the classifier starts from.

    config.image_size = 224  # Training crops, pixels.
    config.progressive_resizing = ()
    config.eval_image_size = 224
    config.min_crop_area = 0.08
    config.random_flip = True
    config.mixup = 0.0  # Concentration of MixUp's shares; 0: none.
    config.cutmix = 0.0  # The same of CutMix.

    config.epochs = 90
    config.batch_size = 256
    config.learning_rate = 0.01  # At the end of the warm-up.
    config.warmup_epochs = 0
    config.decay_epochs = (30, 60)  # A tenth from these on.
    config.momentum = 0.9
    config.nesterov = False
    config.weight_decay = 1e-3  # Decoupled: scaled by the learning rate.
    config.head = "softmax"  # Or sigmoid: each class by itself.
    config.class_weights = ()  # By class id; or "balanced".
    config.label_smoothing = 0.0
    config.learning_rate_factors = {}  # By first part of a weight's path.
    config.evidence_l1 = 0.0  # Weight of the mean absolute patch logit.
    config.masked_training = ""  # Or true_class, window_pairs.
    config.masked_patch_size = 32  # Of what is masked, pixels of a crop.
    config.teacher = ""  # A .keras file to learn from.
    config.distillation_weight = 0.0  # The teacher's part of the loss.
    config.precision = "float32"  # Or bfloat16; float16 for GPUs.
    config.global_clipnorm = 0.0  # 0: gradients are not clipped.
    config.ema_momentum = 0.0  # 0: no moving average of the weights.

    config.accumulation_steps = 1  # Parts of a batch, one after the other.
    config.steps_per_call = 10  # Steps without a look at the progress.
    config.jit_compile = "auto"  # XLA on one GPU; or "on", "off".
    config.checkpoint_steps = 1000  # Between checkpoints.
    return config
