"""MNIST binarised anew at every visit (dynamic binarisation): a Bernoulli likelihood in earnest, nats that compare.

    python main.py --config configs/binarized_mnist.py --config.data.dir=DIR

DIR holds MNIST's four .gz files, as for configs/mnist.py. Evaluation binarises under one fixed key.
"""

from ml_collections import config_dict

from configs import mnist, presets


def get_config(name: str = "") -> config_dict.ConfigDict:
    """Return the config; `name` is a preset of configs/presets.py."""
    config = mnist.get_config()
    config.data.binarize = "dynamic"
    config.model.latent_dim = 50
    return presets.apply(config, name)
