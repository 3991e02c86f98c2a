"""A VAE without a network, in which every expectation has a closed form."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.distributions import Gaussian
from vae_jax.losses import reconstruction

SIGMA = 0.5


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LinearGaussian:
    """x = W z + b + sigma noise for "images" [B, 1, 1, 3], two latents; a linear encoder; a linear critic."""

    encoder: Any
    decoder: Any
    critic: Any

    def encode(self, x):
        x = x.reshape(-1, 3)
        mean = x @ self.encoder["weight"] + self.encoder["bias"][None]
        return Gaussian(mean, jnp.broadcast_to(self.encoder["logvar"], mean.shape))

    def decode(self, z):
        return (z @ self.decoder["weight"].T + self.decoder["bias"][None])[:, None, None, :]

    def discriminate(self, z):
        features = jnp.concatenate([z, z[:, :1] * z[:, 1:]], axis=-1)
        return features @ self.critic


@pytest.fixture(scope="session")
def exact():
    """The encoder is the exact posterior, N(0.8 W^T (x - b), 0.2 I): the columns of W are orthonormal."""
    weight, bias = np.float32([[1, 0], [0, 1], [0, 0]]), np.float32([0.1, -0.2, 0.3])
    encoder = {"weight": 0.8 * weight, "bias": -0.8 * bias @ weight, "logvar": np.log(np.float32([0.2, 0.2]))}
    critic = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    return LinearGaussian(encoder, {"weight": weight, "bias": bias}, critic)


@pytest.fixture(scope="session")
def inexact(exact):
    """The encoder is somewhat off in mean and scale."""
    encoder = {**exact.encoder, "bias": exact.encoder["bias"] + 0.3, "logvar": np.log(np.float32([0.4, 0.15]))}
    return dataclasses.replace(exact, encoder=encoder)


@pytest.fixture(scope="session")
def batch():
    return {"image": np.float32([[0.5, 0.0, -0.5], [0.5, 0.0, -0.5]]).reshape(2, 1, 1, 3)}


@pytest.fixture(scope="session")
def gaussian():
    return functools.partial(reconstruction.gaussian, sigma=SIGMA)
