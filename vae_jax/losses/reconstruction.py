"""Every reconstruction function by name: the likelihoods of `distributions`, and the likenesses of `similarity`.

Each is `name(pred, x [B, H, W, C], *, hyperparameters) -> [*S, B]`, in nats summed over the image; pred is
[*S, B, H, W, C] or a tree of arrays, whatever the likelihood's activation makes of the decoder's raw output. A function
of the user's own with that signature serves as well.
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
    """Return whether a reconstruction function is known to be -log p(x|z), so that an ELBO means something.

    A function of the table of likelihoods is. Another function is one only if it says so itself by an attribute
    `normalised = True`. Bindings by functools.partial are looked through.
    """
    while isinstance(function, functools.partial):
        function = function.func
    if any(likelihood.function is function for likelihood in LIKELIHOODS.values()):
        return True
    return bool(getattr(function, "normalised", False))
