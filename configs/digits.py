"""Scikit-learn's handwritten digits, 8x8 grey: the default, nothing to download.

    python main.py

Minutes on two CPU cores. beta is 0.3: grey levels read as Bernoulli probabilities say so little about
a pixel that at the ELBO's own weight the KL keeps under 4 nats, and samples blur.
"""

from vae_jax.config import Config
from vae_jax.configs import base, presets


def get_config(name: str = "") -> Config:
    """Return the config; `name` is a preset of configs/presets.py."""
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
