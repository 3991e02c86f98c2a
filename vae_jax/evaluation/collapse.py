"""Whether the code says anything about the image: active units, the KL of each latent, and a sentence about both."""

from typing import Any

import jax
import numpy as np

from vae_jax.evaluation.encodings import Encodings
from vae_jax.inference.codes import ACTIVE

NOT_NUMBERS = "the code consists of indices, whose variance means nothing"


def section(encoded: Encodings) -> dict[str, Any]:
    """Return the active units of a code and, where the latents have a KL, the KL of each latent, position or level."""
    kl = None if encoded.kl is None else np.asarray(encoded.kl, np.float64).mean(axis=0)
    parts = {} if kl is None else {"kl_per_dimension": kl.tolist()}
    if any(np.issubdtype(leaf.dtype, np.integer) for leaf in jax.tree.leaves(encoded.mode)):
        return {"no_active_units": NOT_NUMBERS} | parts
    variances = code_variances(encoded.code)
    return {
        "verdict": verdict(variances, kl),
        "active_units": int((variances > ACTIVE).sum()),
        "of": len(variances),
        "threshold": ACTIVE,
        "variance_of_means": variances.tolist(),
    } | parts


def code_variances(code: np.ndarray) -> np.ndarray:
    """Return the variance over images of each element of codes [N, F]: [F]. An element is active above ACTIVE.

    A Gaussian's code is its mean, so that this is Var_x(E_q[z_d | x]).

    References:
        Burda et al., 2016, arXiv 1509.00519, section 4.2: A_u > 10^-2.
    """
    return np.asarray(code, np.float64).var(axis=0)


def verdict(variances: np.ndarray, kl: np.ndarray | None) -> str:
    """Return one plain sentence on collapse.

    Args:
        variances: of each element of the code over images, [F].
        kl: nats of each latent, position or level, [G]; None for a code without a density.
    """
    active, total = int((variances > ACTIVE).sum()), len(variances)
    if not active:
        return "Collapsed: no latent follows the image, so that the decoder can only ignore the code."
    if kl is not None and kl.sum() < 1.0:
        return f"Nearly collapsed: the whole code says {kl.sum():.2f} nats of an image ({active} of {total} active)."
    if active == total:
        return f"Not collapsed: {'all ' if total > 1 else ''}{total} latents follow the image."
    idle = f"{total - active} {'is' if total - active == 1 else 'are'} idle"
    if kl is None or len(kl) != total:
        return f"Not collapsed: {active} of {total} latents follow the image, {idle}."
    share = kl[variances > ACTIVE].sum() / kl.sum()
    return f"Not collapsed: {active} of {total} latents follow the image and carry {share:.1%} of the KL, {idle}."
