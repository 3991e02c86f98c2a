"""What a trained model shows: (model, variables, key) -> uint8 images. Running statistics, no training mode."""

import functools
import statistics
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import distributions
from vae_jax.inference import priors
from vae_jax.inference.chunks import in_chunks
from vae_jax.random import fold_in_name

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
    return in_chunks(lambda part: _decode(model, variables, part), np.asarray(z, np.float32))


def encode(model: Any, variables: Variables, images: np.ndarray) -> distributions.Gaussian:
    """Return q(z|x) for uint8 images [N, H, W, C], as numpy arrays [N, D]."""
    expected = tuple(model.image_shape)
    if images.dtype != np.uint8 or images.shape[1:] != expected:
        raise ValueError(
            f"expected uint8 images [N, {', '.join(map(str, expected))}], got {images.dtype} {images.shape}"
        )
    return in_chunks(lambda part: _encode(model, variables, part), images)


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
    model: Any,
    variables: Variables,
    first: np.ndarray,
    second: np.ndarray,
    num_points: int = 8,
    *,
    path: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Decode points between the posterior means of image pairs; uint8 [N, num_points, H, W, C].

    `path`, one of PATHS, is (start [N, D], end [N, D], t [T]) -> [N, T, D]; None is the straight line.
    """
    start, end = encode(model, variables, first).mean, encode(model, variables, second).mean
    return _decode_rows(model, variables, (path or linear)(start, end, np.linspace(0.0, 1.0, num_points)))


def linear(start: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(1 - t) start + t end: [N, D] and [T] to [N, T, D]."""
    t = t[None, :, None]
    return (1.0 - t) * start[:, None] + t * end[:, None]


def spherical(start: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(sin((1 - t) a) start + sin(t a) end) / sin(a), a the angle between them: [N, D] and [T] to [N, T, D].

    Keeps the length that latents of the prior have, which a straight line between two of them cuts short. The line
    itself where the arc is none or not unique: an end at 0, the same or opposite directions.

    Reference: White, 2016, arXiv 1609.04468.
    """
    start, end = start.astype(np.float64), end.astype(np.float64)
    lengths = np.linalg.norm(start, axis=1) * np.linalg.norm(end, axis=1)
    cosine = (start * end).sum(1) / np.where(lengths > 0, lengths, 1.0)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    on_a_line = (np.sin(angle) < 1e-4) | (lengths == 0)
    angle = np.where(on_a_line, 1.0, angle)[:, None, None]
    t_ = t[None, :, None]
    arc = (np.sin((1.0 - t_) * angle) * start[:, None] + np.sin(t_ * angle) * end[:, None]) / np.sin(angle)
    return np.where(on_a_line[:, None, None], linear(start, end, t), arc)


PATHS = {"linear": linear, "spherical": spherical}


def traverse(model: Any, variables: Variables, z: np.ndarray, latents: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Decode z [D] with each of latents [L] at each of its values [L, T]; uint8 [L, T, H, W, C]."""
    rows = np.broadcast_to(np.asarray(z, np.float32), (*values.shape, len(z))).copy()
    rows[np.arange(len(latents)), :, latents] = values
    return _decode_rows(model, variables, rows)


def latent_map(model: Any, variables: Variables, num: int = 16) -> np.ndarray:
    """Decode the standard normal's quantiles (i + 1/2) / num of two latents; uint8 [num, num, H, W, C].

    The first latent grows to the right, the second upwards.

    Raises:
        ValueError: the model has not two latents.
    """
    if model.latent_dim != 2:
        raise ValueError(f"a map is of two latents, not {model.latent_dim}")
    quantiles = np.array([statistics.NormalDist().inv_cdf((i + 0.5) / num) for i in range(num)])
    first, second = np.meshgrid(quantiles, quantiles[::-1])
    return _decode_rows(model, variables, np.stack([first, second], -1))


def _decode_rows(model: Any, variables: Variables, z: np.ndarray) -> np.ndarray:
    flat = decode(model, variables, z.reshape(-1, z.shape[-1]))
    return flat.reshape(*z.shape[:2], *flat.shape[1:])
