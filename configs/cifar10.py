"""CIFAR-10, 32x32 colour, from TensorFlow Datasets.

    pip install -e '.[tfds]'
    python main.py --config configs/cifar10.py

TensorFlow is needed once, to download and prepare the data; a prepared copy in --config.data.dir is read without
TensorFlow. The validation split is the last tenth of the training images in a fixed random order.
"""

from vae_jax.config import Config
from vae_jax.configs import base, presets


def get_config(name: str = "") -> Config:
    """Return the config, with the preset `name` of configs/presets.py if `name` is not ""."""
    config = base.get_config()
    config.num_epochs = 100

    config.data.source = "tfds:cifar10"
    config.data.batch_size = 128
    config.data.flip = True

    config.model.hidden_dims = (32, 64, 128, 256)

    config.objective.reconstruction.sigma = 0.1

    config.optimizer.schedule = "cosine"
    config.optimizer.warmup_steps = 200
    return presets.apply(config, name)
