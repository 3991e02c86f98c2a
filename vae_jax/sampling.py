"""What a trained model shows: (model, variables, key) -> uint8 images. Running statistics, no training mode."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import posteriors, priors
from vae_jax.random import fold_in_name

CHUNK = 256  # images in one call of the network

Variables = dict[str, Any]


def to_uint8(picture: jax.Array, data_range: tuple[float, float]) -> jax.Array:
    """Map the data range to 0..255, rounded and clipped; [..., H, W, C]."""
    low, high = data_range
    return jnp.clip(jnp.round((picture - low) * (255.0 / (high - low))), 0, 255).astype(jnp.uint8)


def from_uint8(images: np.ndarray, data_range: tuple[float, float]) -> jax.Array:
    """Map 0..255 to the data range, float32; the inverse of `to_uint8`."""
    low, high = data_range
    return jnp.asarray(images, jnp.float32) * ((high - low) / 255.0) + low


@functools.partial(jax.jit, static_argnums=0)
def _decode(model: Any, variables: Variables, z: jax.Array) -> jax.Array:
    picture = model.picture(model.apply(variables, z, method="decode"))
    return to_uint8(picture, model.data_range)


@functools.partial(jax.jit, static_argnums=0)
def _encode(model: Any, variables: Variables, images: jax.Array) -> Any:
    return model.apply(variables, from_uint8(images, model.data_range), method="encode")


def decode(model: Any, variables: Variables, z: np.ndarray | jax.Array) -> np.ndarray:
    """Return the likelihood's mean at each z [N, D] as uint8 [N, H, W, C]."""
    return _in_chunks(lambda part: _decode(model, variables, part), np.asarray(z, np.float32))


def encode(model: Any, variables: Variables, images: np.ndarray) -> posteriors.Gaussian:
    """Return q(z|x) for uint8 images [N, H, W, C], as numpy arrays [N, D]."""
    expected = tuple(model.image_shape)
    if images.dtype != np.uint8 or images.shape[1:] != expected:
        raise ValueError(
            f"expected uint8 images [N, {', '.join(map(str, expected))}], got {images.dtype} {images.shape}"
        )
    return _in_chunks(lambda part: _encode(model, variables, part), images)


def sample(
    model: Any,
    variables: Variables,
    key: jax.Array,
    num: int,
    *,
    temperature: float = 1.0,
    prior: priors.Prior | None = None,
) -> np.ndarray:
    """Decode z ~ N(0, temperature^2 I), or z of another prior, its noise times temperature; uint8 [num, H, W, C]."""
    prior = prior or priors.standard(model.latent_dim)
    return decode(model, variables, priors.sample(prior, key, num, temperature=temperature))


def reconstruct(model: Any, variables: Variables, images: np.ndarray, key: jax.Array | None = None) -> np.ndarray:
    """Decode the posterior's mean, or a sample of it if a key is given; uint8 [N, H, W, C] in and out."""
    posterior = encode(model, variables, images)
    z = posterior.mean if key is None else posterior.sample(fold_in_name(key, "z"))
    return decode(model, variables, z)


def interpolate(
    model: Any, variables: Variables, first: np.ndarray, second: np.ndarray, num_points: int = 8
) -> np.ndarray:
    """Decode points on the line between the posterior means of image pairs; uint8 [N, num_points, H, W, C]."""
    start, end = encode(model, variables, first).mean, encode(model, variables, second).mean
    weights = np.linspace(0.0, 1.0, num_points, dtype=np.float32)[None, :, None]
    z = start[:, None] * (1.0 - weights) + end[:, None] * weights  # [N, points, D]
    flat = decode(model, variables, z.reshape(-1, z.shape[-1]))
    return flat.reshape(*z.shape[:2], *flat.shape[1:])


def _in_chunks(function: Callable[[Any], Any], array: np.ndarray) -> Any:
    """Apply to CHUNK rows at a time, the last call padded to a power of two so that few shapes compile."""
    parts = []
    for start in range(0, len(array), CHUNK):
        part = array[start : start + CHUNK]
        padded = min(CHUNK, 1 << (len(part) - 1).bit_length())
        part = np.concatenate([part, part[:1].repeat(padded - len(part), axis=0)])
        parts.append(jax.tree.map(np.asarray, function(part)))
    joined = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    return jax.tree.map(lambda leaf: leaf[: len(array)], joined)
