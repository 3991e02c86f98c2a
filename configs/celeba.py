"""CelebA at 64x64: the vanilla VAE of PyTorch-VAE, in the two recipes of its history.

    python main.py --config configs/celeba.py --config.data.dir=DIR
    python main.py --config configs/celeba.py:head2021 --config.data.dir=DIR

DIR holds the official files: img_align_celeba/ or img_align_celeba.zip, list_eval_partition.txt, and
list_attr_celeba.txt if wanted. Without them a TFDS `celeb_a` is looked for, and its download tried.

    readme2020 (default)  pixels in [-1, 1], tanh, batch 144, kld_weight 8.847e-4 (144 / 162,770), 50 epochs
    head2021              pixels in [0, 1], sigmoid, batch 64, kld_weight 2.5e-4, 100 epochs

The later code paired tanh with [0, 1]; here the activation follows from the range. Both weights are
constants, whatever part of the data is there: mean squared error + kld_weight * KL is, for P pixels,
beta = kld_weight * P / 2 in nats.
"""

from vae_jax.config import Config
from vae_jax.configs import base, presets

PIXELS = 64 * 64 * 3


def get_config(name: str = "readme2020") -> Config:
    """Return a recipe, or the default recipe with the objective of a preset of configs/presets.py."""
    config = base.get_config()
    config.eval_every = 2_000
    config.checkpoint_every = 1_000
    config.image_every = 1_000

    config.data.source = "celeba"
    config.data.image_size = (64, 64)
    config.data.crop = "center148"
    config.data.flip = True

    config.optimizer.learning_rate = 5e-3
    config.optimizer.schedule = "exponential"
    config.optimizer.decay_per_epoch = 0.95

    if name == "head2021":
        config.num_epochs = 100
        config.data.batch_size = 64
        config.objective.rate.beta = 2.5e-4 * PIXELS / 2
        return config
    config.num_epochs = 50
    config.data.batch_size = 144
    config.data.range = (-1.0, 1.0)
    config.objective.rate.beta = 8.847e-4 * PIXELS / 2
    return presets.apply(config, "" if name == "readme2020" else name, recipes=("readme2020", "head2021"))
