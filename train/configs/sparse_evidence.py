"""A BagNet whose evidence is sparse: few patches carry the decision.

Source: Djoumessi et al., sparse BagNets for retinal images: SGD at 1e-3,
batches of 8, 512 px, an L1 penalty on the class evidence maps. Their weight of
7e-6 on the sum over the first image of a batch is 7e-6 x 60 x 60 cells x 5
classes = 0.126 on the mean over all images and cells.

Hardware: a GPU.

Command:
    python -m train.main --config=sparse_evidence --workdir=runs/sparse \
        --config.dataset=folder:PATH

Expected result: an evidence_sparsity in metrics.jsonl above that of the same
run without the penalty (--config.evidence_l1=0); how far is not known.
Run here: a few steps of it (tests).
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

    config.image_size = 512  # Training crops, pixels.
    config.progressive_resizing = ()
    config.eval_image_size = 512
    config.min_crop_area = 0.5
    config.random_flip = True
    config.mixup = 0.0  # Concentration of MixUp's shares; 0: none.
    config.cutmix = 0.0  # The same of CutMix.

    config.epochs = 100
    config.batch_size = 8
    config.learning_rate = 1e-3  # At the end of the warm-up.
    config.warmup_epochs = 1
    config.decay_epochs = ()  # A tenth from these on; (): cosine.
    config.momentum = 0.9
    config.nesterov = True
    config.weight_decay = 5e-4  # Decoupled: scaled by the learning rate.
    config.head = "softmax"  # Or sigmoid: each class by itself.
    config.class_weights = ()  # By class id; or "balanced".
    config.label_smoothing = 0.0
    config.learning_rate_factors = {}  # By first part of a weight's path.
    config.evidence_l1 = 0.126  # Weight of the mean absolute patch logit.
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
