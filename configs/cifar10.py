"""CIFAR-10, 32x32 colour, from TensorFlow Datasets.

    pip install -e '.[tfds]'
    python main.py --config configs/cifar10.py

TensorFlow is needed once, to download and prepare; a prepared copy under --config.data.dir is read without it. The
last tenth of a fixed shuffle of the training images is the validation split.
"""

from vae_jax.config import Config
from vae_jax.configs import base, presets


def get_config(name: str = "") -> Config:
    """Return the config; `name` is a preset of configs/presets.py."""
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
