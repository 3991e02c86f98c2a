"""Whether the code says anything of the image: active units, KL of each latent, and a sentence about them."""

import numpy as np

ACTIVE = 0.01  # Burda et al.'s threshold


def mean_variances(mean: np.ndarray) -> np.ndarray:
    """Var_x(E_q[z_d | x]) of posterior means [N, D], [D]; a latent is active where it exceeds ACTIVE.

    Reference: Burda et al., 2016, arXiv 1509.00519, section 4.2: A_u > 10^-2.
    """
    return np.asarray(mean, np.float64).var(axis=0)


def kl_per_dimension(mean: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    """mean_x KL(q(z_d|x) || N(0, 1)) of Gaussians [N, D], [D] nats."""
    mean, logvar = np.asarray(mean, np.float64), np.asarray(logvar, np.float64)
    return 0.5 * (np.square(mean) + np.expm1(logvar) - logvar).mean(axis=0)


def verdict(variances: np.ndarray, kl: np.ndarray | None) -> str:
    """One plain sentence on collapse.

    Args:
        variances: Var_x of the posterior means, [D].
        kl: nats of each latent, [D]; None for a deterministic encoder.
    """
    active, total = int((variances > ACTIVE).sum()), len(variances)
    if not active:
        return "Collapsed: no latent follows the image, so that the decoder can only ignore the code."
    if kl is not None and kl.sum() < 1.0:
        return f"Nearly collapsed: the whole code says {kl.sum():.2f} nats of an image ({active} of {total} active)."
    if active == total:
        return f"Not collapsed: {'all ' if total > 1 else ''}{total} latents follow the image."
    idle = f"{total - active} {'is' if total - active == 1 else 'are'} idle"
    if kl is None:
        return f"Not collapsed: {active} of {total} latents follow the image, {idle}."
    share = kl[variances > ACTIVE].sum() / kl.sum()
    return f"Not collapsed: {active} of {total} latents follow the image and carry {share:.1%} of the KL, {idle}."
