"""The table of likelihoods p(x|z): the function, the decoder's output and the mean of each likelihood.

A model that is built with `likelihood=NAME` takes the number of its decoder's channels and its output activation from
this table. The functions themselves are in `densities` and `discretized`. `losses.reconstruction` offers them by name,
beside reconstruction functions that are not likelihoods.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax.distributions import densities, discretized

MIXTURE_COMPONENTS = 10  # of the mixture of discretised logistics, as in PixelCNN++

Range = tuple[float, float]
Extra = Mapping[str, Float[Array, ""]]
Images = Float[Array, "*B H W C"]


def bounded_mean(raw: Images, data_range: Range, extra: Extra) -> Images:
    """Return a mean inside the data's range, by tanh for (-1, 1) and by a sigmoid for (0, 1).

    Args:
        raw: the decoder's raw output, [..., H, W, C].
        data_range: (low, high) of the data.
        extra: not used.

    Raises:
        ValueError: `data_range` is another range.
    """
    del extra
    if tuple(data_range) == (-1.0, 1.0):
        return jnp.tanh(raw)
    if tuple(data_range) == (0.0, 1.0):
        return jax.nn.sigmoid(raw)
    raise ValueError(f"data_range must be (0, 1) or (-1, 1), not {data_range}")


@dataclasses.dataclass(frozen=True)
class Likelihood:
    """A likelihood p(x|z) and its connection to a decoder.

    Attributes:
        function: (pred, x, *, hyperparameters) -> -log p(x|z), [*S, B] nats.
        channels: image channels C -> channels of the decoder's raw output.
        activation: (raw [..., H, W, channels(C)], data_range, extra) -> pred; `extra` holds the values of `parameters`.
        parameters: scalar parameters that the model has for this likelihood, and their initial values.
        mean: (pred, data_range) -> the mean of x, a picture [..., H, W, C] in the data's range.
        data_range: the range that the data must have; None allows (0, 1) and (-1, 1).
    """

    function: Callable[..., Float[Array, "*S B"]]
    channels: Callable[[int], int] = lambda channels: channels
    activation: Callable[[jax.Array, Range, Extra], Any] = bounded_mean
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    mean: Callable[[Any, Range], jax.Array] = lambda pred, data_range: pred
    data_range: Range | None = None


LIKELIHOODS = {
    "gaussian": Likelihood(densities.gaussian),
    "learned_sigma": Likelihood(
        densities.learned_sigma,
        activation=lambda raw, data_range, extra: {
            "mean": bounded_mean(raw, data_range, extra),
            "log_sigma": extra["log_sigma"],
        },
        parameters={"log_sigma": 0.0},
        mean=lambda pred, data_range: pred["mean"],
    ),
    "optimal_sigma": Likelihood(densities.optimal_sigma),
    "laplace": Likelihood(densities.laplace),
    "bernoulli": Likelihood(
        densities.bernoulli,
        activation=lambda raw, data_range, extra: raw,
        mean=lambda logits, data_range: jax.nn.sigmoid(logits),
        data_range=(0.0, 1.0),
    ),
    "continuous_bernoulli": Likelihood(
        densities.continuous_bernoulli,
        activation=lambda raw, data_range, extra: raw,
        mean=lambda logits, data_range: densities.continuous_bernoulli_mean(logits),
        data_range=(0.0, 1.0),
    ),
    "discretized_logistic": Likelihood(
        discretized.discretized_logistic,
        channels=lambda channels: 2 * channels,
        activation=lambda raw, data_range, extra: discretized.split_logistic(raw),
        mean=lambda pred, data_range: jnp.clip(pred["mean"], -1.0, 1.0),
        data_range=(-1.0, 1.0),
    ),
    "discretized_logistic_mixture": Likelihood(
        discretized.discretized_logistic_mixture,
        channels=lambda channels: discretized.mixture_channels(channels, MIXTURE_COMPONENTS),
        activation=lambda raw, data_range, extra: discretized.split_mixture(raw, MIXTURE_COMPONENTS),
        mean=lambda pred, data_range: discretized.mixture_mean(pred),
        data_range=(-1.0, 1.0),
    ),
}
