"""How like its reconstruction an image is, and how sharp either is: pictures on [0, 1], a number for each."""

import jax
import jax.numpy as jnp

from vae_jax.losses import similarity

MIN_SQUARED_ERROR = 1e-10  # a perfect reconstruction has 100 dB, not infinitely many


def measures(picture: jax.Array, x: jax.Array) -> dict[str, jax.Array]:
    """mse, psnr = -10 log10 mse (dB, on [0, 1]) and ssim of each pair, and the sharpness of both.

    Args:
        picture: reconstructions [B, H, W, C] on [0, 1], clipped to it.
        x: the images they are of.

    References: SSIM, Wang et al., 2004, equation 13; sharpness, see `sharpness`.
    """
    picture = jnp.clip(picture, 0.0, 1.0)
    mse = jnp.square(picture - x).mean((-3, -2, -1))
    pixels = x[0].size
    return {
        "mse": mse,
        "psnr": -10.0 * jnp.log10(jnp.maximum(mse, MIN_SQUARED_ERROR)),
        "ssim": 1.0 - similarity.ssim(picture, x) / pixels,
        "sharpness": sharpness(picture),
        "sharpness_of_images": sharpness(x),
    }


def sharpness(images: jax.Array) -> jax.Array:
    """Var over pixels of the grey image's Laplacian, 4 neighbours less 4 times the pixel, where it fits: [B].

    Grey is ITU-R BT.601's for three channels, the mean for others. 0 for a constant or a ramp.

    Reference: Tolstikhin et al., 2018, arXiv 1711.01558, whose tables have its mean or minimum over images.
    """
    if images.shape[-1] == 3:
        grey = images @ jnp.array([0.299, 0.587, 0.114], images.dtype)
    else:
        grey = images.mean(-1)
    inside = grey[:, 1:-1, 1:-1]
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return (around - 4.0 * inside).var((-2, -1)) if inside.size else jnp.zeros(len(images))
