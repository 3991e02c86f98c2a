"""Samples, codes, reconstructions, interpolations and traversals of a trained model.

Images go in and come out as uint8 [N, H, W, C]. They are prepared as training prepared them: a model that was trained
on binarised images encodes binarised images. The model uses its running statistics, never those of the batch. `cli`,
`training.sheets` and `evaluation` call these functions, and `vae_jax` offers them to users; no function writes files.
"""

import functools
import statistics
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import distributions, errors, models
from vae_jax.data import batches
from vae_jax.inference import arguments, paths
from vae_jax.inference.chunks import in_chunks
from vae_jax.random import fold_in_name

Variables = dict[str, Any]

PREPARE_SEED = 0  # seed of the pixel noise of binarised and dequantised images, the same in every call


def to_uint8(picture: jax.Array, data_range: tuple[float, float]) -> jax.Array:
    """Return a picture [..., H, W, C] as uint8, with the data range mapped to 0, ..., 255, rounded and clipped."""
    low, high = data_range
    return jnp.clip(jnp.round((picture - low) * (255.0 / (high - low))), 0, 255).astype(jnp.uint8)


@functools.partial(jax.jit, static_argnums=0)
def _decode(model: Any, variables: Variables, z: Any) -> jax.Array:
    pred, _ = models.apply(lambda vae: vae.decode(z), model, variables)
    return to_uint8(model.picture(pred), model.data_range)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _of_images(function: Callable[..., Any], model: Any, variables: Variables, rows: Any) -> Any:
    key = fold_in_name(jax.random.key(PREPARE_SEED), "prepare")
    x = batches.prepare_each(model, rows["image"], rows["index"], key)
    return models.apply(lambda vae: function(vae, x), model, variables)[0]


def of_images(
    function: Callable[..., Any], model: Any, variables: Variables, images: np.ndarray, start: int = 0
) -> Any:
    """Return function(vae, x) for images as a tree of numpy arrays [N, ...].

    Args:
        function: (vae, x [B, H, W, C]) -> a tree of arrays [B, ...]. It is compiled once for each function object.
        model: the module.
        variables: its parameters and collections.
        images: uint8 [N, H, W, C].
        start: number of the first image in its data set, which determines the pixel noise of dequantised images.

    Raises:
        errors.OutOfRange: the images are not uint8, or not of the model's shape, or there are none.
    """
    images = arguments.images(images, model.image_shape)
    rows = {"image": images, "index": start + np.arange(len(images), dtype=np.int32)}
    return in_chunks(lambda part: _of_images(function, model, variables, part), rows)


def posterior(vae: Any, x: jax.Array) -> Any:
    """Return q(z|x); a function for `of_images`."""
    return vae.encode(x)


def _posterior_mode(vae: Any, x: jax.Array) -> Any:
    return vae.encode(x).mode()


def decode(model: Any, variables: Variables, z: Any) -> np.ndarray:
    """Return the likelihood's mean at each z [N, D] as uint8 [N, H, W, C]."""
    floats = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), z)
    return in_chunks(lambda part: _decode(model, variables, part), floats)


def encode(model: Any, variables: Variables, images: np.ndarray) -> Any:
    """Return q(z|x) for uint8 images [N, H, W, C], with numpy arrays [N, D] for its parameters."""
    return of_images(posterior, model, variables, images)


def mode_of(model: Any, variables: Variables, images: np.ndarray) -> Any:
    """Return the mode of q(z|x) for uint8 images [N, H, W, C], which the decoder takes, [N, D]."""
    return of_images(_posterior_mode, model, variables, images)


def code(model: Any, variables: Variables, images: np.ndarray) -> np.ndarray:
    """Return the flat codes [N, F] of uint8 images [N, H, W, C]."""
    return of_images(distributions.code, model, variables, images)


def sample(
    model: Any,
    variables: Variables,
    key: jax.Array,
    num: int,
    *,
    temperature: float = 1.0,
    prior: Any = None,
) -> np.ndarray:
    """Return images decoded from samples of the model's own prior, or of another prior, uint8 [num, H, W, C].

    Args:
        model: the module.
        variables: its parameters and collections.
        key: the source of the noise.
        num: number of images.
        temperature: factor of the prior's noise; 1 is the prior.
        prior: a distribution in place of the model's own prior.
    """
    return decode(model, variables, latents(model, variables, key, num, temperature=temperature, prior=prior))


def latents(
    model: Any, variables: Variables, key: jax.Array, num: int, *, temperature: float = 1.0, prior: Any = None
) -> Any:
    """Return the latents that `sample` decodes, drawn from the model's own prior or from another prior, [num, D]."""
    num, temperature = arguments.count(num, "num"), arguments.temperature(temperature)
    key = fold_in_name(arguments.key(key), "prior")
    if prior is not None:
        return distributions.tempered(prior, temperature).sample(key, num)
    return models.apply(lambda vae: distributions.generate(vae, key, num, temperature), model, variables)[0]


def reconstruct(model: Any, variables: Variables, images: np.ndarray, key: jax.Array | None = None) -> np.ndarray:
    """Return images decoded from the posterior's mode, or from a posterior sample if a key is given, [N, H, W, C]."""
    if key is None:
        return decode(model, variables, mode_of(model, variables, images))
    key = fold_in_name(arguments.key(key), "z")
    return decode(model, variables, encode(model, variables, images).sample(key))


def interpolate(
    model: Any,
    variables: Variables,
    first: np.ndarray,
    second: np.ndarray,
    num_points: int = 8,
    *,
    path: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] = paths.linear,
) -> np.ndarray:
    """Return images decoded along a path between the codes of pairs of images, uint8 [N, num_points, H, W, C].

    Args:
        model: the module.
        variables: its parameters and collections.
        first: uint8 [N, H, W, C].
        second: uint8 [N, H, W, C].
        num_points: images on each path, including its ends.
        path: one of `paths.PATHS`: (start [N, D], end [N, D], t [T]) -> [N, T, D].
    """
    first = arguments.images(first, model.image_shape, "first")
    second = arguments.images(second, model.image_shape, "second")
    if len(first) != len(second):
        raise errors.OutOfRange(f"first and second are pairs of images, not {len(first)} and {len(second)} of them")
    start, end = mode_of(model, variables, first), mode_of(model, variables, second)
    t = np.linspace(0.0, 1.0, arguments.count(num_points, "num_points"))
    return decode_rows(model, variables, path(start, end, t))


def traverse(model: Any, variables: Variables, z: np.ndarray, latents: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return images decoded from a code in which one latent at a time takes each of its values, [L, T, H, W, C].

    Args:
        model: the module.
        variables: its parameters and collections.
        z: the code, [D].
        latents: the latents to change, int [L].
        values: the values of each latent, [L, T].
    """
    rows = np.broadcast_to(np.asarray(z, np.float32), (*values.shape, len(z))).copy()
    rows[np.arange(len(latents)), :, latents] = values
    return decode_rows(model, variables, rows)


def latent_map(model: Any, variables: Variables, num: int = 16) -> np.ndarray:
    """Return images decoded from a grid of values of two latents, uint8 [num, num, H, W, C].

    The values are the quantiles (i + 1/2) / num of the standard normal. The first latent increases to the right, and
    the second latent increases upwards.

    Raises:
        ValueError: the number of latents is not 2.
    """
    if model.latent_dim != 2:
        raise ValueError(f"a map is of two latents, not {model.latent_dim}")
    quantiles = np.array([statistics.NormalDist().inv_cdf((i + 0.5) / num) for i in range(num)])
    first, second = np.meshgrid(quantiles, quantiles[::-1])
    return decode_rows(model, variables, np.stack([first, second], -1))


def decode_rows(model: Any, variables: Variables, z: np.ndarray) -> np.ndarray:
    """Return images decoded from rows of latents [N, T, D], uint8 [N, T, H, W, C]."""
    flat = decode(model, variables, z.reshape(-1, z.shape[-1]))
    return flat.reshape(*z.shape[:2], *flat.shape[1:])
