"""Fashion-MNIST, 28x28 grey, from the four .gz files of its distribution; all else is as for MNIST.

    python main.py --config configs/fashion_mnist.py --config.data.dir=DIR

DIR holds the files under the same names as those of MNIST, see configs/mnist.py.
"""

from vae_jax.config import Config
from vae_jax.configs import mnist


def get_config(name: str = "") -> Config:
    """Return the config, with the preset `name` of configs/presets.py if `name` is not ""."""
    return mnist.get_config(name)
