"""KL divergences with a closed form: a literal table of pairs. A new pair is one line here."""

from collections.abc import Callable
from typing import Any

import jax

from vae_jax.distributions.gaussian import Gaussian, kl_gaussian_gaussian

CLOSED_FORMS: dict[tuple[type, type], Callable[[Any, Any], jax.Array]] = {
    (Gaussian, Gaussian): kl_gaussian_gaussian,
}


def kl_divergence(q: Any, p: Any) -> jax.Array | None:
    """Return KL(q || p) in nats, [B, G], for G latents, positions or levels; None for a pair without a closed form."""
    closed_form = CLOSED_FORMS.get((type(q), type(p)))
    return None if closed_form is None else closed_form(q, p)
