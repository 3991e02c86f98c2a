"""The section `bound` of an evaluation: bounds of log p(x) in nats, and in bits per dimension where these exist."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from vae_jax import models
from vae_jax.evaluation import bits, bound
from vae_jax.evaluation.inputs import Prepare, chosen_rows, inputs
from vae_jax.losses import reconstruction
from vae_jax.random import fold_in_name

ABSENT = "without a normalised likelihood and a posterior with a density, log p(x) has no bound here"
ESTIMATOR = "importance-weighted, samples of the posterior (Burda et al., 2016, equation 8)"


def bound_section(
    model: Any,
    variables: Any,
    objective: Callable[..., Any],
    metrics: Mapping[str, float],
    prepare: Prepare,
    images: np.ndarray,
    key: jax.Array,
    *,
    batch_size: int,
    num_images: int,
    num_samples: int,
) -> dict[str, Any]:
    """Return the objective's own ELBO and the importance-weighted bound of at most `num_images` images.

    Args:
        model: the module.
        variables: its parameters and collections.
        objective: whose keyword `reconstruction` is the likelihood; without such a keyword there is no bound.
        metrics: the objective's metrics on the split.
        prepare: (uint8 images, key) -> float32 images in the model's range.
        images: the whole split, uint8 [N, H, W, C].
        key: of the evaluation.
        batch_size: images in one call.
        num_images: images of the importance-weighted bound, a fixed random choice.
        num_samples: K.
    """
    likelihood = getattr(objective, "keywords", {}).get("reconstruction")
    if "elbo" not in metrics or likelihood is None:
        return {"absent": ABSENT}
    section = {name: metrics[name] for name in ("elbo", "distortion", "kl") if name in metrics}
    shape, name = images.shape[1:], bits.name_of(likelihood)
    if name == "optimal_sigma":  # one image has no value under it
        sigma = bound.implied_sigma(metrics["distortion"], math.prod(shape))
        likelihood = functools.partial(reconstruction.gaussian, sigma=sigma)
    size = bound.call_size(shape, num_samples, batch_size)
    rows = chosen_rows(len(images), num_images)
    weights = _compiled(model, variables, likelihood, size[1])
    values = bound.bounds_of(
        weights,
        inputs(prepare, images, batch_size, key, rows),
        fold_in_name(key, "bound"),
        num_samples=num_samples,
        images_per_call=size[0],
        samples_per_call=size[1],
    )
    weighted = {
        "bound": float(values.importance_weighted.mean()),
        "standard_error": bound.standard_error(values.importance_weighted),
        "estimator": ESTIMATOR,
        "num_samples": num_samples,
        "num_images": len(rows),
        "elbo_of_these_images": float(values.elbo.mean()),
    }
    return section | _with_bits(section, weighted, model, name, images)


def _compiled(model: Any, variables: Any, likelihood: Callable[..., Any], num_samples: int) -> bound.LogWeights:
    """Return `bound.log_weights` of the model, compiled."""
    weights = functools.partial(bound.log_weights, reconstruction=likelihood, num_samples=num_samples)

    @jax.jit
    def call(variables: Any, x: jax.Array, index: jax.Array, key: jax.Array, first: jax.Array) -> jax.Array:
        return models.apply(lambda vae: weights(vae, x, index, key, first), model, variables)[0]

    return functools.partial(call, variables)


def _with_bits(
    section: Mapping[str, float], weighted: dict[str, Any], model: Any, name: str, images: np.ndarray
) -> dict[str, Any]:
    """Return the importance-weighted part with bits per dimension, and the ELBO's; or the reason why there are none."""
    binary = getattr(model, "binarize", "none") != "none" or bits.is_binary(images)
    scale = bits.bits_of(name, tuple(model.data_range), dequantize=getattr(model, "dequantize", False), binary=binary)
    if scale.offset is None:
        return {"importance_weighted": weighted, "no_bits_per_dimension": scale.meaning}
    to_bits = functools.partial(bits.per_dimension, image_shape=images.shape[1:], offset=scale.offset)
    return {
        "bits_per_dimension": to_bits(section["elbo"]),
        "bits_are": scale.meaning,
        "importance_weighted": weighted | {"bits_per_dimension": to_bits(weighted["bound"])},
    }
