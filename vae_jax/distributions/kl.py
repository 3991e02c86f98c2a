"""The KL divergences that have a closed form, as a table of pairs of distributions.

The formulas stand beside the distributions; a new pair is one line in the table. `latents.draw` uses a sample where the
table has no entry.
"""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Float

from vae_jax.distributions.categorical import (
    Categorical,
    RelaxedCategorical,
    kl_categorical_categorical,
    kl_relaxed_categorical_categorical,
)
from vae_jax.distributions.gamma import Gamma, kl_gamma_gamma
from vae_jax.distributions.gaussian import Gaussian, kl_gaussian_gaussian
from vae_jax.distributions.product import Product, kl_product_product
from vae_jax.distributions.von_mises_fisher import (
    HypersphericalUniform,
    VonMisesFisher,
    kl_von_mises_fisher_uniform,
)

CLOSED_FORMS: dict[tuple[type, type], Callable[[Any, Any], Float[Array, "B G"] | None]] = {
    (Categorical, Categorical): kl_categorical_categorical,
    (Gamma, Gamma): kl_gamma_gamma,
    (Gaussian, Gaussian): kl_gaussian_gaussian,
    (Product, Product): lambda q, p: kl_product_product(q, p, kl_divergence),
    (RelaxedCategorical, Categorical): kl_relaxed_categorical_categorical,
    (VonMisesFisher, HypersphericalUniform): kl_von_mises_fisher_uniform,
}


def kl_divergence(q: Any, p: Any) -> Float[Array, "*B G"] | None:
    """Return KL(q || p) of each latent in nats, or None for a pair without a closed form.

    Args:
        q: a posterior.
        p: a prior.

    Returns:
        [B, G] for G latents, positions or levels.
    """
    closed_form = CLOSED_FORMS.get((type(q), type(p)))
    return None if closed_form is None else closed_form(q, p)
