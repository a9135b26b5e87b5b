"""BagNet-33 on ImageNet with what has been learnt since the paper.

Source: Wightman et al. 2021 ("ResNet strikes back") for long cosine schedules,
label smoothing, CutMix and averaged weights; Howard 2018 for growing crops.
CutMix and not MixUp, which would make every patch a double exposure (see
`train/mixing.py`). A teacher may be added: `--config.teacher=FILE.keras
--config.distillation_weight=0.5`.

Hardware: meant for 8 GPUs.

Command:
    python -m train.main --config=imagenet_modern \
        --workdir=runs/imagenet_modern --data_dir=DIR

Expected result: aimed above the best public BagNet-33, 70.6 % top-1 and 89.6 %
top-5; nothing shows yet that it gets there. Run here: no.
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
    # Until these epochs smaller ones.
    config.progressive_resizing = ((80, 128), (160, 176))
    config.eval_image_size = 256
    config.min_crop_area = 0.2
    config.random_flip = True
    config.mixup = 0.0  # Concentration of MixUp's shares; 0: none.
    config.cutmix = 1.0  # The same of CutMix.

    config.epochs = 240
    config.batch_size = 1024
    config.learning_rate = 0.4  # At the end of the warm-up.
    config.warmup_epochs = 5
    config.decay_epochs = ()  # A tenth from these on; (): cosine.
    config.momentum = 0.9
    config.nesterov = True
    config.weight_decay = 2e-4  # Decoupled: scaled by the learning rate.
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
    config.ema_momentum = 0.9999  # Of the average that is saved.

    config.accumulation_steps = 1  # Parts of a batch, one after the other.
    config.steps_per_call = 10  # Steps without a look at the progress.
    config.jit_compile = "auto"  # XLA on one GPU; or "on", "off".
    config.checkpoint_steps = 500  # Between checkpoints.
    return config
