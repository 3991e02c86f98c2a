"""--mode evaluate: everything that can be said of a trained run, in evaluation.json and as a table."""

import functools
import math
import pathlib
from typing import Any

import jax
import numpy as np

from vae_jax import models
from vae_jax.cli import image_sets
from vae_jax.cli.evaluation_subject import Subject, choose, load
from vae_jax.cli.options import Evaluate
from vae_jax.distributions import Gaussian
from vae_jax.evaluation import aggregate, bits, bound, collapse, disentanglement, elbo, encodings, table
from vae_jax.losses import reconstruction
from vae_jax.random import fold_in_name
from vae_jax.runs import restore, workdir

MAX_AGGREGATE = 5_000  # encodings in the aggregate posterior, whose cost is quadratic

NO_KL = {"absent": "codes without noise have no KL to split"}

Section = dict[str, Any]


def run(path: str, options: Evaluate, say: restore.Say = print) -> Section:
    """Write evaluation.json: what was measured on a split, and on what; print it as a table."""
    subject = load(path, options, say)
    config, num_images = subject.found.config, len(subject.split["image"])
    measured_on = {
        "checkpoint": subject.step,
        "images": options.input or f"{config.data.source} {options.split}",
        "num_images": num_images,
        "units": "nats per image",
    }
    features = image_sets.features_of(subject, options)  # first, since here a flag may be mistaken
    say(f"checkpoint {subject.step}, {num_images:,} images of {measured_on['images']}")
    metrics = _metrics(subject)
    encoded = encodings.encode(subject.found.model, subject.found.variables, subject.inputs(), config.data.batch_size)
    sections = {
        "metrics": metrics,
        "bound": _bound(subject, metrics, options),
        "reconstruction": {name: float(values.mean()) for name, values in encoded.measures.items()},
        "latents": _latents(encoded, stochastic="kl" in metrics),
        "aggregate": _aggregate(subject, encoded, options) if "kl" in metrics else NO_KL,
        "generated": image_sets.section(subject, encoded, features, options),
        "disentanglement": _disentanglement(subject, encoded, stochastic="kl" in metrics),
    }
    evaluation = measured_on | {name: section for name, section in sections.items() if section}
    file = pathlib.Path(path) / "evaluation.json"
    workdir.write_json(file, evaluation)
    say(table.render(evaluation))
    say(f"wrote {file}")
    return evaluation


def _metrics(subject: Subject) -> Section:
    """The objective's own, as training reports them."""
    eval_step = elbo.make_eval_step(subject.found.model, subject.objective, subject.prepare)
    images, batch_size = subject.split["image"], subject.found.config.data.batch_size
    return elbo.evaluate(eval_step, subject.found.variables, images, batch_size, subject.key, subject.step)


def _bound(subject: Subject, metrics: Section, options: Evaluate) -> Section:
    """The ELBO and the importance-weighted bound, in nats and, where there are such, in bits per dimension."""
    likelihood = getattr(subject.objective, "keywords", {}).get("reconstruction")
    if "elbo" not in metrics or likelihood is None:
        return {"absent": "without a normalised likelihood and a posterior with a density, log p(x) has no bound here"}
    section = {name: metrics[name] for name in ("elbo", "distortion", "kl")}
    shape, data = subject.split["image"].shape[1:], subject.found.config.data
    name = subject.found.config.objective.reconstruction.name
    if name == "optimal_sigma":  # which no image has by itself
        sigma = bound.implied_sigma(metrics["distortion"], math.prod(shape))
        likelihood = functools.partial(reconstruction.gaussian, sigma=sigma)
    weighted = _importance_weighted(subject, likelihood, options)
    binary = data.binarize != "none" or bits.is_binary(subject.split["image"])
    scale = bits.bits_of(name, tuple(map(float, data.range)), dequantize=data.dequantize, binary=binary)
    if scale.offset is None:
        return section | {"importance_weighted": weighted, "no_bits_per_dimension": scale.meaning}
    to_bits = functools.partial(bits.per_dimension, image_shape=shape, offset=scale.offset)
    weighted["bits_per_dimension"] = to_bits(weighted["bound"])
    return section | {
        "bits_per_dimension": to_bits(section["elbo"]),
        "bits_are": scale.meaning,
        "importance_weighted": weighted,
    }


def _importance_weighted(subject: Subject, likelihood: Any, options: Evaluate) -> Section:
    num_images = min(options.num_images, len(subject.split["image"]))
    batch_size = subject.found.config.data.batch_size
    images, samples = bound.call_size(subject.split["image"].shape[1:], options.num_samples, batch_size)
    objective = functools.partial(bound.log_weights, reconstruction=likelihood, num_samples=samples)

    @jax.jit
    def apply(variables: Any, batch: Any, key: jax.Array, first: int) -> jax.Array:
        result, _ = models.apply_objective(objective, subject.found.model, variables, batch, key, first, training=False)
        return result[1]["log_w"]

    values = bound.bounds_of(
        functools.partial(apply, subject.found.variables),
        subject.inputs(num_images),
        fold_in_name(subject.key, "bound"),
        num_samples=options.num_samples,
        images_per_call=images,
        samples_per_call=samples,
    )
    return {
        "bound": float(values.importance_weighted.mean()),
        "standard_error": bound.standard_error(values.importance_weighted),
        "num_samples": options.num_samples,
        "num_images": num_images,
        "elbo_of_these_images": float(values.elbo.mean()),
    }


def _latents(encoded: encodings.Encodings, *, stochastic: bool) -> Section:
    variances = collapse.mean_variances(encoded.mean)
    kl = collapse.kl_per_dimension(encoded.mean, encoded.logvar) if stochastic else None
    section = {
        "verdict": collapse.verdict(variances, kl),
        "active_units": int((variances > collapse.ACTIVE).sum()),
        "of": len(variances),
        "threshold": collapse.ACTIVE,
        "variance_of_means": variances.tolist(),
    }
    return section if kl is None else section | {"kl_per_dimension": kl.tolist()}


def _aggregate(subject: Subject, encoded: encodings.Encodings, options: Evaluate) -> Section:
    num = min(options.num_images, MAX_AGGREGATE, len(encoded.mean))
    rows = choose(len(encoded.mean), num)
    posterior = Gaussian(encoded.mean[rows], encoded.logvar[rows])
    section = aggregate.kl_split(fold_in_name(subject.key, "aggregate"), posterior) | {"num_encodings": num}
    if section["mutual_information"] > 0.9 * section["largest_mutual_information"]:
        remedy = "--num_images, --split" if num < MAX_AGGREGATE else "no more are taken"
        section["note"] = (
            f"{num:,} images are too few: the information is near ln {num:,} = "
            f"{section['largest_mutual_information']:.2f}, more than which they cannot show ({remedy})"
        )
    return section


def _disentanglement(subject: Subject, encoded: encodings.Encodings, *, stochastic: bool) -> Section:
    """Codes against the source's factors, where it has them."""
    if "factors" not in subject.split:
        return {}
    key, posterior = fold_in_name(subject.key, "disentanglement"), Gaussian(encoded.mean, encoded.logvar)
    return disentanglement.scores(key, posterior, np.asarray(subject.split["factors"]), stochastic=stochastic)
