"""Monotone rational-quadratic splines of one variable, elementwise, in both directions, with their log slopes.

Only `couplings` uses the module.

Reference: Durkan et al., 2019, Neural spline flows, arXiv 1906.04032, section 3.1.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

SMALLEST = 1e-3  # share of a bin in the whole width and height, and slope at a knot
_SLOPE_ONE = math.log(math.expm1(1.0 - SMALLEST))  # the raw slope that gives a slope of 1


class Knots(NamedTuple):
    """K + 1 knots of a spline that runs from (-bound, -bound) to (bound, bound) with a slope of 1 at both ends."""

    x: jax.Array  # [..., K + 1], increasing
    y: jax.Array  # [..., K + 1], increasing
    slopes: jax.Array  # [..., K + 1], positive


class _Bin(NamedTuple):
    x: jax.Array
    width: jax.Array
    y: jax.Array
    height: jax.Array
    left: jax.Array  # slope at the left knot
    right: jax.Array


def knots(raw: jax.Array, bound: float) -> Knots:
    """Return the knots that raw values [..., 3 K - 1] of any size stand for; zeros stand for the identity.

    The K first values are log widths, the K next log heights, the last K - 1 slopes before a softplus.
    """
    bins = (raw.shape[-1] + 1) // 3
    slopes = SMALLEST + jax.nn.softplus(raw[..., 2 * bins :] + _SLOPE_ONE)
    end = jnp.ones_like(raw[..., :1])
    x, y = _positions(raw[..., :bins], bound), _positions(raw[..., bins : 2 * bins], bound)
    return Knots(x, y, jnp.concatenate([end, slopes, end], axis=-1))


def forward(x: jax.Array, spline: Knots) -> tuple[jax.Array, jax.Array]:
    """Return y and ln dy/dx at x [...] of splines with knots [..., K + 1]; outside the knots y = x."""
    inside, safe = _inside(x, spline.x)
    at = _find(safe, spline.x, spline)
    position = (safe - at.x) / at.width
    slope = at.height / at.width
    mixed = position * (1.0 - position)
    divisor = slope + (at.left + at.right - 2.0 * slope) * mixed
    y = at.y + at.height * (slope * jnp.square(position) + at.left * mixed) / divisor
    return jnp.where(inside, y, x), jnp.where(inside, _log_slope(at, position), 0.0)


def inverse(y: jax.Array, spline: Knots) -> tuple[jax.Array, jax.Array]:
    """Return x and ln dx/dy at y [...]: the root in [0, 1] of a quadratic, in the form without cancellation."""
    inside, safe = _inside(y, spline.y)
    at = _find(safe, spline.y, spline)
    slope, above = at.height / at.width, safe - at.y
    curve = at.left + at.right - 2.0 * slope
    quadratic = at.height * (slope - at.left) + above * curve
    linear = at.height * at.left - above * curve
    root = jnp.sqrt(jnp.maximum(jnp.square(linear) + 4.0 * quadratic * slope * above, 0.0))
    small, large = linear + root, root - linear
    falling = linear < 0.0  # in which case `small` cancels, and the quadratic coefficient is positive
    position = jnp.where(
        falling, large / jnp.where(falling, 2.0 * quadratic, 1.0), 2.0 * slope * above / jnp.where(falling, 1.0, small)
    )
    x = at.x + at.width * position
    return jnp.where(inside, x, y), jnp.where(inside, -_log_slope(at, position), 0.0)


def _positions(raw: jax.Array, bound: float) -> jax.Array:
    """Return increasing positions [..., K + 1] from -bound to bound with gaps softmax(raw), raw [..., K]."""
    bins = raw.shape[-1]
    shares = SMALLEST + (1.0 - SMALLEST * bins) * jax.nn.softmax(raw)
    inner = 2.0 * bound * jnp.cumsum(shares[..., :-1], axis=-1) - bound
    end = jnp.full_like(raw[..., :1], bound)
    return jnp.concatenate([-end, inner, end], axis=-1)


def _inside(value: jax.Array, positions: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return where values lie within the knots, and the values with 0 in place of those outside.

    A gradient through the unused branch of `where` is finite only if that branch was evaluated at a harmless value.
    """
    inside = (value > positions[..., 0]) & (value < positions[..., -1])
    return inside, jnp.where(inside, value, 0.0)


def _find(value: jax.Array, positions: jax.Array, spline: Knots) -> _Bin:
    """Return the bin of each value, whose knots are `positions` (the spline's x or its y)."""
    index = (value[..., None] >= positions[..., 1:-1]).sum(-1)

    def at(array: jax.Array, offset: int) -> jax.Array:
        return jnp.take_along_axis(array, index[..., None] + offset, axis=-1)[..., 0]

    x, y = at(spline.x, 0), at(spline.y, 0)
    return _Bin(x, at(spline.x, 1) - x, y, at(spline.y, 1) - y, at(spline.slopes, 0), at(spline.slopes, 1))


def _log_slope(at: _Bin, position: jax.Array) -> jax.Array:
    slope, rest = at.height / at.width, 1.0 - position
    divisor = slope + (at.left + at.right - 2.0 * slope) * position * rest
    numerator = at.right * jnp.square(position) + 2.0 * slope * position * rest + at.left * jnp.square(rest)
    return 2.0 * jnp.log(slope) + jnp.log(numerator) - 2.0 * jnp.log(divisor)
