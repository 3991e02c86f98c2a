"""Scikit-learn's handwritten digits, 8x8 grey: the default config, which downloads nothing.

    python main.py

Training takes a few minutes on two CPU cores. beta is 0.3, because a grey level as a Bernoulli probability says little
about a pixel: with beta 1 the KL stays under 4 nats and samples are blurred.
"""

from vae_jax.config import Config
from vae_jax.configs import base, presets


def get_config(name: str = "") -> Config:
    """Return the config, with the preset `name` of configs/presets.py if `name` is not ""."""
    config = base.get_config()
    config.num_epochs = 120
    config.log_every = 100
    config.eval_every = 500
    config.checkpoint_every = 500
    config.image_every = 100

    config.data.source = "digits"
    config.data.batch_size = 64

    config.model.latent_dim = 8
    config.model.hidden_dims = (32, 64, 128)

    config.objective.reconstruction = Config({"name": "bernoulli"})
    config.objective.rate.beta = 0.3

    config.optimizer.learning_rate = 2e-3
    config.optimizer.schedule = "cosine"
    return presets.apply(config, name)
