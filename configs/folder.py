"""Your own images: any tree of images, or a .zip of one, cropped square and resized to 64x64.

    python main.py --config configs/folder.py --config.data.dir=DIR --config.data.image_size=64,64

Directories train/, val/ and test/ are splits, other directories classes; where there is no val/, a fixed tenth of the
images is held out for validation. docs/data.md has the flags for lists of splits, small images, masks, frames and
copies.

The likelihood is a Gaussian with standard deviation 0.1 for pixels in [0, 1]; beta is 1. A larger `rate.beta` brings
the codes closer to the prior and so improves samples; a smaller `reconstruction.sigma` sharpens reconstructions. Where
hue varies less than brightness, the model learns hue late: batches of 128 and a learning rate of 5e-3 shorten the time
(docs/results.md, EuroSAT).
"""

from vae_jax.config import Config
from vae_jax.configs import base, presets


def get_config(name: str = "") -> Config:
    """Return the config, with the preset `name` of configs/presets.py if `name` is not ""."""
    config = base.get_config()
    config.num_epochs = 50

    config.data.source = "folder"
    config.data.image_size = (64, 64)
    config.data.crop = "square"
    config.data.flip = True

    config.objective.reconstruction.sigma = 0.1

    config.optimizer.schedule = "cosine"
    config.optimizer.warmup_steps = 200
    return presets.apply(config, name)
