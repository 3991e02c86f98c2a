"""A score for each image under a trained model, such as an anomaly detector needs.

The measurements of a whole split are in `evaluation`. `cli.score` writes the scores of many images to a file.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import distributions, errors, models
from vae_jax.config import Config, build
from vae_jax.data import batches
from vae_jax.inference import arguments
from vae_jax.inference.chunks import CHUNK, in_chunks
from vae_jax.losses import importance, reconstruction
from vae_jax.random import fold_in_name

PIXELS_PER_CALL = 2**23  # pixel values decoded in one call, which bounds its memory
NUM_SAMPLES = 32

Scores = dict[str, np.ndarray]


def score(
    model: Any,
    variables: dict[str, Any],
    images: Any,
    config: Config | Callable[..., jax.Array],
    *,
    num_samples: int = NUM_SAMPLES,
    allow_import: bool = False,
    start: int = 0,
) -> Scores:
    """Return the scores of each image: {name: float32 [N]}.

    Args:
        model: the module.
        variables: its parameters and collections.
        images: uint8 [N, H, W, C].
        config: the run's configuration, or a reconstruction function (pred, x) -> [*S, B], in place of the run's own.
        num_samples: K, samples of each image's posterior.
        allow_import: whether the configuration may name code of the user's own.
        start: the number of the first image; the noise of an image is a function of the image's number.

    Returns:
        "distortion", the mean of -log p(x|z) over K samples, in nats, or of the run's own reconstruction function;
        "reconstruction_error", the mean squared error of the reconstruction, for pixels in [0, 1];
        "kl", "elbo" and "importance_weighted" (the bound of K samples), in nats, where the codes have a density, the
        latter two only where the reconstruction function is a likelihood.

    Raises:
        errors.OutOfRange: an argument that cannot be, by its name.
        errors.UserError: the likelihood of one image is not defined.
    """
    images = arguments.images(images, model.image_shape)
    num_samples = arguments.count(num_samples, "num_samples")
    function = config if callable(config) else reconstruction_of(config, allow_import=allow_import)
    size = max(1, min(CHUNK, PIXELS_PER_CALL // (num_samples * int(np.prod(model.image_shape)))))
    rows = {"image": images, "index": start + np.arange(len(images), dtype=np.int32)}
    return in_chunks(lambda part: _scores(function, num_samples, model, variables, part), rows, size)


def reconstruction_of(config: Config, *, allow_import: bool = False) -> Callable[..., jax.Array]:
    """Return the reconstruction function of a run's objective, which gives the distortion of each image by itself.

    Raises:
        errors.UserError: the function is not defined for one image, or the objective has none.
    """
    name = config.objective.reconstruction.name
    if name == "optimal_sigma":
        raise errors.UserError("optimal_sigma has no likelihood of one image: its sigma is that of a batch of images")
    objective = build.make_eval_objective(config, 1, allow_import=allow_import)
    keywords = getattr(objective, "keywords", {})
    if "reconstruction" not in keywords:
        raise errors.UserError(
            f"the objective {config.objective.name} has no reconstruction function to score images by"
        )
    return keywords["reconstruction"]


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _scores(
    function: Callable[..., jax.Array], num_samples: int, model: Any, variables: Any, rows: dict[str, jax.Array]
) -> dict[str, jax.Array]:
    """Return the scores [B] of images; the noise of each is a function of its number alone."""
    key = fold_in_name(jax.random.key(0), "score")
    x = batches.prepare_each(model, rows["image"], rows["index"], fold_in_name(key, "prepare"))

    def one(image: jax.Array, index: jax.Array) -> dict[str, jax.Array]:
        own = jax.random.fold_in(key, index)
        of_vae = functools.partial(_of_one, model, function, image[None], own, num_samples)
        return models.apply(of_vae, model, variables)[0]

    return jax.vmap(one)(x, rows["index"])


def _of_one(
    model: Any, function: Callable[..., jax.Array], x: jax.Array, key: jax.Array, num_samples: int, vae: Any
) -> dict[str, jax.Array]:
    """Return the scores [] of one image x [1, H, W, C]."""
    latents = distributions.draw(vae, x, key, num_samples)
    distortion = importance.distortion_of_samples(vae, x, latents.z, function)[:, 0]  # [K]
    low, high = model.data_range
    picture = model.picture(vae.decode(vae.encode(x).mode()))
    found = {
        "distortion": distortion.mean(),
        "reconstruction_error": jnp.square((picture - x) / (high - low)).mean(),
    }
    if latents.kl is None or latents.log_q is None or latents.log_p is None:
        return found
    found["kl"] = latents.kl.sum()
    if reconstruction.is_normalised(function):
        found["elbo"] = -found["distortion"] - found["kl"]
        log_w = (latents.log_p - latents.log_q)[:, 0] - distortion
        found["importance_weighted"] = importance.importance_bound(log_w[:, None])[0]
    return found


def percentiles(scores: Scores, reference: Scores) -> Scores:
    """Return the percentile of each score among the reference's: the share, in percent, of reference values below it.

    Half of the reference values that equal a score count as below.
    """
    return {name: _percentile(values, np.sort(reference[name])) for name, values in scores.items()}


def _percentile(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    below, up_to = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return (50.0 * (below + up_to) / len(ordered)).astype(np.float32)
