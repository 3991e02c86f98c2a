"""All reconstruction functions by name: the likelihoods of `distributions`, and the functions of `similarity`.

A reconstruction function is `name(pred, x, *, hyperparameters) -> [*S, B]`, in nats summed over the image. `x` is
[B, H, W, C]. `pred` is what the model's `decode` returns: [*S, B, H, W, C], or a tree of arrays for some likelihoods. A
user may pass a function of their own with this signature. This file contains no mathematics. `config.build` looks up a
name here, and the objectives ask `is_normalised`.
"""

import functools
from collections.abc import Callable
from typing import Any

from vae_jax.distributions.densities import (
    bernoulli,
    continuous_bernoulli,
    gaussian,
    laplace,
    learned_sigma,
    optimal_sigma,
)
from vae_jax.distributions.discretized import discretized_logistic, discretized_logistic_mixture
from vae_jax.distributions.likelihoods import LIKELIHOODS
from vae_jax.losses.similarity import features, log_cosh, ms_ssim, ssim

__all__ = [
    "RECONSTRUCTIONS",
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

LIKENESSES = {"log_cosh": log_cosh, "ssim": ssim, "ms_ssim": ms_ssim, "features": features}
RECONSTRUCTIONS: dict[str, Callable[..., Any]] = {
    **{name: likelihood.function for name, likelihood in LIKELIHOODS.items()},
    **LIKENESSES,
}


def is_normalised(function: Callable[..., Any]) -> bool:
    """Return whether a reconstruction function is known to be -log p(x|z), which an ELBO needs.

    A function of the table of likelihoods is known to be. Another function counts only if it has an attribute
    `normalised = True`.

    Args:
        function: a reconstruction function, or a functools.partial of one.
    """
    while isinstance(function, functools.partial):
        function = function.func
    if any(likelihood.function is function for likelihood in LIKELIHOODS.values()):
        return True
    return bool(getattr(function, "normalised", False))
