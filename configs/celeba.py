"""CelebA at 64x64: the vanilla VAE of PyTorch-VAE, in the two recipes of its history.

    python main.py --config configs/celeba.py --config.data.dir=DIR
    python main.py --config configs/celeba.py:head2021 --config.data.dir=DIR

DIR holds the official files: img_align_celeba/ or img_align_celeba.zip, list_eval_partition.txt, and
list_attr_celeba.txt for the attributes. Without these files the TFDS data set `celeb_a` is used, downloaded if needed.

    readme2020 (default)  pixels in [-1, 1], tanh, batch 144, kld_weight 8.847e-4 (144 / 162,770), 50 epochs
    head2021              pixels in [0, 1], sigmoid, batch 64, kld_weight 2.5e-4, 100 epochs

PyTorch-VAE's later code has tanh with pixels in [0, 1]; here the activation follows from the range. The weight of the
KL is a constant in both recipes: it does not depend on how many images the data set has.
"""

import math

from vae_jax.config import Config
from vae_jax.configs import base, presets

IMAGE_SHAPE = (64, 64, 3)


def get_config(name: str = "readme2020") -> Config:
    """Return a recipe, or the default recipe with the objective of a preset of configs/presets.py."""
    config = base.get_config()
    config.eval_every = 2_000
    config.checkpoint_every = 1_000
    config.image_every = 1_000

    config.data.source = "celeba"
    config.data.image_size = IMAGE_SHAPE[:2]
    config.data.crop = "center148"
    config.data.flip = True

    config.optimizer.learning_rate = 5e-3
    config.optimizer.schedule = "exponential"
    config.optimizer.decay_per_epoch = 0.95
    config.optimizer.eps = pytorch_eps(IMAGE_SHAPE)

    if name == "head2021":
        config.num_epochs = 100
        config.data.batch_size = 64
        config.objective.rate.beta = beta_from_kld_weight(2.5e-4, IMAGE_SHAPE)
        return config
    config.num_epochs = 50
    config.data.batch_size = 144
    config.data.range = (-1.0, 1.0)
    config.objective.rate.beta = beta_from_kld_weight(8.847e-4, IMAGE_SHAPE)
    return presets.apply(config, "" if name == "readme2020" else name, recipes=("readme2020", "head2021"))


def beta_from_kld_weight(kld_weight: float, image_shape: tuple[int, int, int]) -> float:
    """Return kld_weight * P / 2, the beta that trains as a mean squared error + kld_weight * KL.

    For a Gaussian likelihood with sigma 1 and P = H * W * C, the loss of this codebase is the loss of PyTorch-VAE times
    P / 2, plus the constant P / 2 * ln(2 pi). The beta belongs to the range of the pixels: in a range s times as wide
    as [0, 1] (s = 2 for [-1, 1]) squared errors are s^2 times as large beside the same KL, so that beta / s^2 is the
    beta of the same model for pixels in [0, 1].

    Args:
        kld_weight: the KL's weight beside a squared error that is averaged over pixels, as in PyTorch-VAE.
        image_shape: (H, W, C).
    """
    return kld_weight * math.prod(image_shape) / 2


def pytorch_eps(image_shape: tuple[int, int, int]) -> float:
    """Return 1e-8 * P / 2, the eps with which Adam takes the steps that PyTorch's default of 1e-8 takes there.

    Adam divides by the root of a mean of squared gradients plus eps, and the gradients here are P / 2 times as large.
    """
    return 1e-8 * math.prod(image_shape) / 2
