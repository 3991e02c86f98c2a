"""How an image differs from its reconstruction, and what each likelihood asks of a decoder.

Every function has the face `name(pred, x [B, H, W, C], *, hyperparameters) -> [*S, B]`, in nats summed over the
image; pred is [*S, B, H, W, C] or a tree of arrays, whatever the likelihood's activation makes of the decoder's
raw output. A researcher's own function of that face serves as well as those of the table.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from vae_jax.distributions import discretized
from vae_jax.distributions.densities import (
    bernoulli,
    continuous_bernoulli,
    continuous_bernoulli_mean,
    gaussian,
    laplace,
    learned_sigma,
    optimal_sigma,
)
from vae_jax.distributions.discretized import discretized_logistic, discretized_logistic_mixture
from vae_jax.losses.similarity import features, log_cosh, ms_ssim, ssim

__all__ = [
    "LIKELIHOODS",
    "Likelihood",
    "bernoulli",
    "continuous_bernoulli",
    "discretized_logistic",
    "discretized_logistic_mixture",
    "features",
    "gaussian",
    "is_normalised",
    "laplace",
    "learned_sigma",
    "log_cosh",
    "ms_ssim",
    "optimal_sigma",
    "ssim",
]

MIXTURE_COMPONENTS = 10

Range = tuple[float, float]
Extra = Mapping[str, jax.Array]


def _bounded(raw: jax.Array, data_range: Range, extra: Extra) -> jax.Array:
    """A mean inside the data's range: tanh for (-1, 1), sigmoid for (0, 1)."""
    del extra
    if tuple(data_range) == (-1.0, 1.0):
        return jnp.tanh(raw)
    if tuple(data_range) == (0.0, 1.0):
        return jax.nn.sigmoid(raw)
    raise ValueError(f"data_range is (0, 1) or (-1, 1), not {data_range}")


@dataclasses.dataclass(frozen=True)
class Likelihood:
    """A reconstruction function, what it asks of a decoder, and what it can tell of an image.

    Attributes:
        function: (pred, x, *, ...) -> [*S, B], nats.
        channels: image channels C -> channels of the decoder's raw output.
        activation: (raw [..., H, W, channels(C)], data_range, extra) -> pred; `extra` holds `parameters`.
        parameters: scalar parameters that the decoder owns besides, and their initial values.
        mean: (pred, data_range) -> picture [..., H, W, C] in the data's range.
        data_range: the range that the data must have; None is either.
        normalised: whether exp(-function) is a density or a mass of x, so that an ELBO means something.
    """

    function: Callable[..., jax.Array]
    channels: Callable[[int], int] = lambda channels: channels
    activation: Callable[[jax.Array, Range, Extra], Any] = _bounded
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    mean: Callable[[Any, Range], jax.Array] = lambda pred, data_range: pred
    data_range: Range | None = None
    normalised: bool = True


LIKELIHOODS = {
    "gaussian": Likelihood(gaussian),
    "learned_sigma": Likelihood(
        learned_sigma,
        activation=lambda raw, data_range, extra: {
            "mean": _bounded(raw, data_range, extra),
            "log_sigma": extra["log_sigma"],
        },
        parameters={"log_sigma": 0.0},
        mean=lambda pred, data_range: pred["mean"],
    ),
    "optimal_sigma": Likelihood(optimal_sigma),
    "laplace": Likelihood(laplace),
    "bernoulli": Likelihood(
        bernoulli,
        activation=lambda raw, data_range, extra: raw,
        mean=lambda logits, data_range: jax.nn.sigmoid(logits),
        data_range=(0.0, 1.0),
    ),
    "continuous_bernoulli": Likelihood(
        continuous_bernoulli,
        activation=lambda raw, data_range, extra: raw,
        mean=lambda logits, data_range: continuous_bernoulli_mean(logits),
        data_range=(0.0, 1.0),
    ),
    "discretized_logistic": Likelihood(
        discretized_logistic,
        channels=lambda channels: 2 * channels,
        activation=lambda raw, data_range, extra: discretized.split_logistic(raw),
        mean=lambda pred, data_range: jnp.clip(pred["mean"], -1.0, 1.0),
        data_range=(-1.0, 1.0),
    ),
    "discretized_logistic_mixture": Likelihood(
        discretized_logistic_mixture,
        channels=lambda channels: discretized.mixture_channels(channels, MIXTURE_COMPONENTS),
        activation=lambda raw, data_range, extra: discretized.split_mixture(raw, MIXTURE_COMPONENTS),
        mean=lambda pred, data_range: discretized.mixture_mean(pred),
        data_range=(-1.0, 1.0),
    ),
    "log_cosh": Likelihood(log_cosh, normalised=False),
    "ssim": Likelihood(ssim, normalised=False),
    "ms_ssim": Likelihood(ms_ssim, normalised=False),
    "features": Likelihood(features, normalised=False),
}


def is_normalised(function: Callable[..., jax.Array]) -> bool:
    """Whether a reconstruction function, bound by functools.partial or not, is a negative log-likelihood.

    A function outside the table is taken for one, unless it carries an attribute `normalised = False`.
    """
    while isinstance(function, functools.partial):
        function = function.func
    for likelihood in LIKELIHOODS.values():
        if likelihood.function is function:
            return likelihood.normalised
    return getattr(function, "normalised", True)
