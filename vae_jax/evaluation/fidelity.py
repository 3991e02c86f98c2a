"""How like its reconstruction an image is, and how sharp each of the two is: pictures on [0, 1], a number for each."""

import jax
import jax.numpy as jnp

from vae_jax.losses import similarity

MIN_SQUARED_ERROR = 1e-10  # a perfect reconstruction has 100 dB, not infinitely many


def measures(picture: jax.Array, x: jax.Array) -> dict[str, jax.Array]:
    """Return mse, psnr = -10 log10 mse (dB, on [0, 1]), ssim and the sharpness of both, [B] each.

    Args:
        picture: reconstructions, [B, H, W, C] on [0, 1]; values outside are clipped.
        x: the images that were reconstructed, [B, H, W, C] on [0, 1].

    References:
        Wang et al., 2004, equation 13 (SSIM).
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
    """Return the variance over pixels of each image's Laplacian, [B]: 0 for a constant image or a linear ramp.

    The Laplacian is that of the grey image: the sum of a pixel's 4 neighbours less 4 times the pixel, at every pixel
    that has 4 neighbours. Grey is ITU-R BT.601's for three channels, and the mean over channels for others. On another
    range of pixels the variance is larger by the square of the range: 4 times as large on [-1, 1].

    Args:
        images: [B, H, W, C] on [0, 1].
    """
    if images.shape[-1] == 3:
        grey = images @ jnp.array([0.299, 0.587, 0.114], images.dtype)
    else:
        grey = images.mean(-1)
    inside = grey[:, 1:-1, 1:-1]
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    return (around - 4.0 * inside).var((-2, -1)) if inside.size else jnp.zeros(len(images))
