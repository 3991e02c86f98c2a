"""Discrete latents: groups of one-hot codes, exact and relaxed.

`Categorical` has the counting measure of its codes, `RelaxedCategorical` a density on the simplex. A bound must not
mix the two: log q - log p of a relaxed code under a categorical prior is not a log ratio of densities.

References:
    Jang et al., 2017, Categorical reparameterization with Gumbel-softmax, arXiv 1611.01144.
    Maddison et al., 2017, The concrete distribution, arXiv 1611.00712.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp

from vae_jax.distributions.pixels import at_least_float32
from vae_jax.distributions.shapes import match_trailing, with_samples


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Categorical:
    """G independent codes, code g one-hot among K classes with probabilities softmax(logits[..., g, :]).

    Args:
        logits: [B, G, K] or [G, K]; -inf excludes a class.
    """

    logits: jax.Array

    def sample(self, key: jax.Array, num_samples: int | None = None) -> jax.Array:
        """Return one-hot z [B, G, K] or [num_samples, B, G, K]; no gradient passes through them."""
        shape = with_samples(jnp.shape(self.logits), num_samples)
        logits = match_trailing(at_least_float32(self.logits), shape)
        return _one_hot(logits + jax.random.gumbel(key, shape, logits.dtype), jnp.result_type(self.logits))

    def log_prob(self, z: jax.Array) -> jax.Array:
        """Return the log probability in nats of one-hot z [*S, B, G, K], summed over groups: [*S, B]."""
        z = at_least_float32(z)
        log_p = match_trailing(self.log_probabilities(), z.shape)
        return (z * jnp.where((z == 0.0) & jnp.isneginf(log_p), 0.0, log_p)).sum((-2, -1))

    def mode(self) -> jax.Array:
        """Return the most probable class of every group, one-hot: [B, G, K]."""
        return _one_hot(self.logits, jnp.result_type(self.logits))

    def tempered(self, temperature: float) -> "Categorical":
        """Return the distribution of the argmax of logits + temperature * Gumbel noise."""
        return Categorical(self.logits / temperature)

    def log_probabilities(self) -> jax.Array:
        """Return log softmax(logits), [B, G, K]."""
        return jax.nn.log_softmax(at_least_float32(self.logits))

    def entropy(self) -> jax.Array:
        """Return the entropy of every group in nats, [B, G]."""
        return -_expectation(self.log_probabilities(), self.log_probabilities())


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class RelaxedCategorical:
    """G independent points of the simplex, softmax((logits + Gumbel noise) / temperature) (Gumbel-softmax, concrete).

    With `straight_through`, a sample is the one-hot argmax of the relaxed sample, and its gradient is the gradient of
    the relaxed sample, which is biased. Such a sample follows Categorical(logits) exactly, and `log_prob` is then the
    log probability of that distribution.

    Args:
        logits: [B, G, K] or [G, K].
        temperature: > 0, [], or [B, 1, 1] for one of each example; a schedule may pass a traced value.
        straight_through: whether samples are one-hot.
    """

    logits: jax.Array
    temperature: jax.Array
    straight_through: bool = dataclasses.field(default=False, metadata={"static": True})

    def sample(self, key: jax.Array, num_samples: int | None = None) -> jax.Array:
        """Return z [B, G, K] or [num_samples, B, G, K], differentiable in logits and temperature."""
        return self._to_z(self._sample_log(key, num_samples))

    def sample_and_log_prob(
        self, key: jax.Array, num_samples: int | None = None, *, path: bool = False
    ) -> tuple[jax.Array, jax.Array]:
        """Return z and log q(z) [B] or [num_samples, B], from log z and not from z, which underflows to 0.

        With `path`, gradients reach log q(z) through z alone.
        """
        log_z = self._sample_log(key, num_samples)
        density = jax.lax.stop_gradient(self) if path else self
        if self.straight_through:
            z = self._to_z(log_z)
            return z, density.log_prob(z)
        return self._to_z(log_z), density._log_density(log_z)

    def log_prob(self, z: jax.Array) -> jax.Array:
        """Return log q(z) in nats of z [*S, B, G, K], summed over groups: [*S, B].

        The density is with respect to the K - 1 free coordinates of each simplex. A coordinate below the smallest
        normal number of float32 counts as that number.
        """
        if self.straight_through:
            return self.hard().log_prob(z)
        z = at_least_float32(z)
        return self._log_density(jnp.log(jnp.maximum(z, jnp.finfo(z.dtype).tiny)))

    def mode(self) -> jax.Array:
        """Return the most probable class of every group, one-hot, in place of the mode of the density: [B, G, K]."""
        return self.hard().mode()

    def hard(self) -> Categorical:
        """Return the distribution of the argmax of a sample, by which a trained model is evaluated."""
        return Categorical(self.logits)

    def _sample_log(self, key: jax.Array, num_samples: int | None) -> jax.Array:
        shape = with_samples(jnp.shape(self.logits), num_samples)
        logits = match_trailing(at_least_float32(self.logits), shape)
        noise = jax.random.gumbel(key, shape, logits.dtype)
        return jax.nn.log_softmax((logits + noise) / self._temperature(shape))

    def _to_z(self, log_z: jax.Array) -> jax.Array:
        dtype, relaxed = jnp.result_type(self.logits), jnp.exp(log_z)
        if self.straight_through:
            return _one_hot(log_z, dtype) + (relaxed - jax.lax.stop_gradient(relaxed)).astype(dtype)
        return relaxed.astype(dtype)

    def _log_density(self, log_z: jax.Array) -> jax.Array:
        """Return the log density on the simplex at z = exp(log_z) [*S, B, G, K], summed over groups: [*S, B]."""
        temperature = self._temperature(log_z.shape)
        weighted = match_trailing(at_least_float32(self.logits), log_z.shape) - temperature * log_z
        classes = log_z.shape[-1]
        density = weighted.sum(-1) - classes * jax.nn.logsumexp(weighted, axis=-1) - log_z.sum(-1)
        density += math.lgamma(classes) + (classes - 1.0) * jnp.log(temperature[..., 0])
        return density.sum(-1)

    def _temperature(self, shape: tuple[int, ...]) -> jax.Array:
        temperature = at_least_float32(self.temperature)
        if temperature.ndim == 0:
            return jnp.broadcast_to(temperature, shape)
        return jnp.broadcast_to(match_trailing(temperature, (*shape[:-2], 1, 1)), shape)


def kl_categorical_categorical(q: Categorical, p: Categorical) -> jax.Array:
    """Return KL(q || p) of every group in nats, [B, G]; p may lack the batch axis, and equal logits are uniform."""
    log_q = q.log_probabilities()
    log_p = match_trailing(p.log_probabilities(), log_q.shape)
    return _expectation(log_q, jnp.where(jnp.isneginf(log_q), 0.0, log_q - log_p))


def kl_relaxed_categorical_categorical(q: RelaxedCategorical, p: Categorical) -> jax.Array:
    """Return KL(q.hard() || p) of every group in nats, [B, G].

    With straight-through samples the value is the KL divergence of what was drawn. With relaxed samples it is the
    customary surrogate, and the objective is not a bound on log p(x) (Maddison et al., 2017, appendix C).
    """
    return kl_categorical_categorical(q.hard(), p)


def _one_hot(scores: jax.Array, dtype) -> jax.Array:
    return jax.nn.one_hot(jnp.argmax(scores, axis=-1), jnp.shape(scores)[-1], dtype=dtype)


def _expectation(log_p: jax.Array, values: jax.Array) -> jax.Array:
    """Return sum_k exp(log_p) values over the last axis, where a class of probability 0 contributes 0."""
    return jnp.where(jnp.isneginf(log_p), 0.0, jnp.exp(log_p) * values).sum(-1)
