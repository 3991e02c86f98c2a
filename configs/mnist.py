"""MNIST, 28x28 grey, from the four .gz files of its distribution.

    python main.py --config configs/mnist.py --config.data.dir=DIR

DIR holds train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and
t10k-labels-idx1-ubyte.gz. Validation is a fixed tenth of the training images; t10k is the test split.
"""

from vae_jax.config import Config
from vae_jax.configs import base, presets


def get_config(name: str = "") -> Config:
    """Return the config, with the preset `name` of configs/presets.py if `name` is not ""."""
    config = base.get_config()
    config.num_epochs = 20
    config.log_every = 100

    config.data.source = "idx"
    config.data.batch_size = 128

    config.model.latent_dim = 32
    config.model.hidden_dims = (32, 64, 128)

    config.objective.reconstruction = Config({"name": "bernoulli"})

    config.optimizer.learning_rate = 1e-3
    config.optimizer.schedule = "cosine"
    return presets.apply(config, name)
