"""The training images' codes, and the priors fitted to them, kept in the run's directory."""

import pathlib
import zlib
from typing import Any, NamedTuple

import numpy as np

from vae_jax import configuration, integrity, posteriors, priors, sampling, workdir
from vae_jax.data import batches
from vae_jax.evaluation import collapse
from vae_jax.modes import restored
from vae_jax.modes.options import Options

MAX_IMAGES = 10_000  # training images that are encoded, a fixed random choice where there are more
ZERO_LOGVAR = -60.0  # a standard deviation of 1e-13, a code without noise


def training_images(config: configuration.Config, options: Options) -> np.ndarray:
    """Return the run's training images; a run trained on an array has none but those of --input."""
    own = options.input if config.data.source == "array" else ""
    return restored.images_of(config, options._replace(split="train", input=own))["image"]


def training_codes(run: restored.Restored, images: np.ndarray) -> posteriors.Gaussian:
    """Return q(z|x) [N, D] of training images, at most MAX_IMAGES of them, binarised if the run's were."""
    config = run.config
    images = images[chosen(len(images))]
    codes = sampling.encode(run.model, run.variables, batches.binarized(np.asarray(images), config.data.binarize))
    if is_deterministic(config):
        return posteriors.Gaussian(codes.mean, np.full_like(codes.mean, ZERO_LOGVAR))
    return codes


def chosen(num_data: int) -> np.ndarray | slice:
    """The rows of training images that are encoded: all, or a fixed random choice of MAX_IMAGES."""
    if num_data <= MAX_IMAGES:
        return slice(None)
    return np.sort(np.random.default_rng(0).choice(num_data, MAX_IMAGES, replace=False))


def is_deterministic(config: configuration.Config) -> bool:
    """Whether the decoder was trained on the codes' means alone, so that their variance means nothing."""
    return config.objective.name == "wae" and config.objective.options.get("deterministic", True)


class Usage(NamedTuple):
    """What each latent is used for, over the training codes."""

    kl: np.ndarray | None  # [D], nats, mean over the images; None for codes without noise
    mean: np.ndarray  # [D], of the aggregate posterior
    std: np.ndarray  # [D], likewise
    order: np.ndarray  # the latents, the largest KL, or variance, first
    active: np.ndarray  # [D], whether Var_x(E_q[z]) > 0.01


def usage(codes: posteriors.Gaussian) -> Usage:
    """Return what each latent of codes [N, D] is used for.

    Reference: Burda, Grosse and Salakhutdinov, 2016, arXiv 1509.00519, section 5.2 (active units).
    """
    kl = None if np.all(codes.logvar == ZERO_LOGVAR) else np.asarray(codes.kl()).mean(0)
    mean, variance = np.asarray(codes.mean, np.float64), np.exp(np.asarray(codes.logvar, np.float64))
    between = collapse.mean_variances(mean)
    order = np.argsort(-(between if kl is None else kl), kind="stable")
    return Usage(kl, mean.mean(0), np.sqrt(between + variance.mean(0)), order, between > collapse.ACTIVE)


def prior(
    name: str, step: int, run: restored.Restored, path: pathlib.Path, options: Options, say: restored.Say
) -> priors.Prior:
    """Return the prior of that name for the checkpoint of `step`, from WORKDIR/priors if it was fitted before.

    That of a run trained on an array is fitted to --input, which may be another next time, so it is not kept.
    """
    kind, _ = priors.parse(name)
    if kind == "standard":
        return priors.standard(run.model.latent_dim)
    if run.config.data.source == "array":
        return priors.fit(name, training_codes(run, training_images(run.config, options)))
    file = path / "priors" / f"{step}-{name.replace(':', '-')}.npz"
    fingerprint = _fingerprint(run.variables)
    known = priors.from_bytes(file.read_bytes(), fingerprint) if file.exists() else None
    if known is not None:
        say(f"prior {name} from {file}")
        return known
    codes = training_codes(run, training_images(run.config, options))
    fitted = priors.fit(name, codes)
    file.parent.mkdir(exist_ok=True)
    workdir.write_atomically(file, priors.to_bytes(fitted, fingerprint))
    say(f"prior {name} fitted to the codes of {len(codes.mean):,} training images, kept in {file}")
    return fitted


def _fingerprint(variables: Any) -> int:
    return zlib.crc32(repr(sorted(integrity.checksums(variables).items())).encode())
