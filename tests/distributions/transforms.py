"""One transform of every kind with random parameters, and what holds for all of them. Shared by the flows' tests."""

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions.couplings import (
    AffineCoupling,
    SplineCoupling,
    init_affine_coupling,
    init_spline_coupling,
)
from vae_jax.distributions.flow import Inverse, Permutation
from vae_jax.distributions.masked_affine import MaskedAffine, init_masked_affine
from vae_jax.distributions.planar import Planar, Radial
from vae_jax.distributions.sylvester import Sylvester

CONTEXT = 3


def normal(rng, *shape):
    return jnp.float32(rng.normal(size=shape))


def shaken(rng, params, scale=0.4):
    """Parameters moved away from their initial values, at which the outputs are zero."""
    return jax.tree.map(lambda leaf: leaf + scale * normal(rng, *leaf.shape), params)


def transforms(batch=(3,), dim=4, seed=0):
    """A dict of transforms; with batch=() their parameters have no batch axis and the networks take no context."""
    rng, key = np.random.default_rng(seed), jax.random.key(seed)
    context_size, context = (CONTEXT, normal(rng, *batch, CONTEXT)) if batch else (0, None)
    hidden = (8, 8)
    keys = jax.random.split(key, 3)
    masked = shaken(rng, init_masked_affine(keys[0], dim, hidden, context_size))
    affine = shaken(rng, init_affine_coupling(keys[1], dim, hidden, context_size))
    spline = shaken(rng, init_spline_coupling(keys[2], dim, hidden, context_size, swap=True, bins=5), 0.15)
    return {
        "planar": Planar(2.0 * normal(rng, *batch, dim), normal(rng, *batch, dim), normal(rng, *batch)),
        "radial": Radial(normal(rng, *batch, dim), normal(rng, *batch), normal(rng, *batch) - 1.0),
        "sylvester": Sylvester(
            normal(rng, *batch, 3, dim), normal(rng, *batch, 2, 2), normal(rng, *batch, 2, 2), normal(rng, *batch, 2)
        ),
        "masked_affine": MaskedAffine(masked, context),
        "affine_coupling": AffineCoupling(affine, context),
        "spline_coupling": SplineCoupling(spline, context, swap=True),
        "inverse": Inverse(MaskedAffine(masked, context)),
        "permutation": Permutation(tuple(int(i) for i in rng.permutation(dim))),
    }


NAMES = tuple(transforms())
