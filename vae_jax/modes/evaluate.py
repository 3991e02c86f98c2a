"""--mode evaluate: everything that can be said of a trained run, in evaluation.json and as a table."""

import functools
import math
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax import configuration, models, sampling, workdir
from vae_jax.data import cache, dataset
from vae_jax.evaluation import (
    aggregate,
    bits,
    bound,
    collapse,
    disentanglement,
    elbo,
    encodings,
    features,
    frechet,
    generated,
    table,
)
from vae_jax.evaluation.inputs import inputs
from vae_jax.losses import reconstruction
from vae_jax.modes import restored
from vae_jax.modes.options import Options
from vae_jax.posteriors import Gaussian
from vae_jax.random import fold_in_name
from vae_jax.training import build

MAX_AGGREGATE = 5_000  # encodings in the aggregate posterior, whose cost is quadratic

Section = dict[str, Any]


class Subject(NamedTuple):
    """What is evaluated: a trained model, and the images it is evaluated on."""

    model: models.VAE
    variables: Any
    config: configuration.Config
    objective: Any
    step: int
    split: dataset.Split
    others: dataset.Dataset | None  # the run's data, unless the images are the user's own
    own_features: features.Features | None  # the user's own
    key: jax.Array

    def prepare(self, images: jax.Array, key: jax.Array) -> jax.Array:
        return build.make_prepare(self.config, flip=False)(images, key)

    def inputs(self, num: int | None = None) -> Iterator[np.ndarray]:
        """The first `num` images as the model takes them; the same draws of pixel noise every time."""
        left = len(self.split["image"]) if num is None else num
        for x in inputs(self.prepare, self.split["image"], self.config.data.batch_size, self.key):
            yield x[:left]
            left -= len(x)
            if left <= 0:
                return


def run(path: str, options: Options, say: restored.Say = print) -> Section:
    """Write evaluation.json: what was measured on a split, and on what; print it as a table."""
    subject = _subject(path, options, say)
    config, num_images = subject.config, len(subject.split["image"])
    measured_on = {
        "checkpoint": subject.step,
        "images": options.input or f"{config.data.source} {options.split}",
        "num_images": num_images,
        "units": "nats per image",
    }
    say(f"checkpoint {subject.step}, {num_images:,} images of {measured_on['images']}")
    metrics = _metrics(subject)
    encoded = encodings.encode(subject.model, subject.variables, subject.inputs(), config.data.batch_size)
    sections = {
        "metrics": metrics,
        "bound": _bound(subject, metrics, options),
        "reconstruction": {name: float(values.mean()) for name, values in encoded.measures.items()},
        "latents": _latents(encoded, stochastic="kl" in metrics),
        "aggregate": _aggregate(subject, encoded, options) if "kl" in metrics else {},
        "generated": _generated(subject, encoded, options),
        "disentanglement": _disentanglement(subject, encoded, stochastic="kl" in metrics),
    }
    evaluation = measured_on | {name: section for name, section in sections.items() if section}
    file = pathlib.Path(path) / "evaluation.json"
    workdir.write_json(file, evaluation)
    say(table.render(evaluation))
    say(f"wrote {file}")
    return evaluation


def _subject(path: str, options: Options, say: restored.Say) -> Subject:
    step, (model, variables, config) = restored.restore_step(
        path, options.checkpoint, say, allow_import=options.allow_import
    )
    others = None if options.input else restored.dataset_of(config, options)
    split = restored.images_of(config, options) if others is None else restored.split_of(others, options.split)
    own = None
    if options.features:
        function = build.find_features(options.features, allow_import=options.allow_import)
        own = features.own_features(options.features, function)
    objective = build.make_eval_objective(config, len(split["image"]), allow_import=options.allow_import)
    key = fold_in_name(jax.random.key(config.seed), "eval")
    return Subject(model, variables, config, objective, step, split, others, own, key)


def _metrics(subject: Subject) -> Section:
    """The objective's own, as training reports them."""
    eval_step = elbo.make_eval_step(subject.model, subject.objective, subject.prepare)
    images, batch_size = subject.split["image"], subject.config.data.batch_size
    return elbo.evaluate(eval_step, subject.variables, images, batch_size, subject.key, subject.step)


def _bound(subject: Subject, metrics: Section, options: Options) -> Section:
    """The ELBO and the importance-weighted bound, in nats and, where there are such, in bits per dimension."""
    likelihood = getattr(subject.objective, "keywords", {}).get("reconstruction")
    if "elbo" not in metrics or likelihood is None:
        return {"absent": "without a normalised likelihood and a posterior with a density, log p(x) has no bound here"}
    section = {name: metrics[name] for name in ("elbo", "distortion", "kl")}
    shape, data = subject.split["image"].shape[1:], subject.config.data
    name = subject.config.objective.reconstruction.name
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


def _importance_weighted(subject: Subject, likelihood: Any, options: Options) -> Section:
    num_images = min(options.num_images, len(subject.split["image"]))
    batch_size = subject.config.data.batch_size
    images, samples = bound.call_size(subject.split["image"].shape[1:], options.num_samples, batch_size)
    objective = functools.partial(bound.log_weights, reconstruction=likelihood, num_samples=samples)

    @jax.jit
    def apply(variables: Any, batch: Any, key: jax.Array, first: int) -> jax.Array:
        result, _ = models.apply_objective(objective, subject.model, variables, batch, key, first, training=False)
        return result[1]["log_w"]

    values = bound.bounds_of(
        functools.partial(apply, subject.variables),
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


def _aggregate(subject: Subject, encoded: encodings.Encodings, options: Options) -> Section:
    num = min(options.num_images, MAX_AGGREGATE, len(encoded.mean))
    rows = _choose(len(encoded.mean), num)
    posterior = Gaussian(encoded.mean[rows], encoded.logvar[rows])
    section = aggregate.kl_split(fold_in_name(subject.key, "aggregate"), posterior) | {"num_encodings": num}
    if section["mutual_information"] > 0.9 * section["largest_mutual_information"]:
        section["note"] = (
            f"{num:,} images are too few: the information is near ln {num:,} = "
            f"{section['largest_mutual_information']:.2f}, more than which they cannot show (--num_images, --split)"
        )
    return section


def _generated(subject: Subject, encoded: encodings.Encodings, options: Options) -> Section:
    """Samples, reconstructions and, for a floor, other real images against as many images of the split."""
    images, other = subject.split["image"], "valid" if options.split == "train" else "train"
    real = (getattr(subject.others, other, None) or {"image": ()})["image"]
    has_floor = len(real) > frechet.NEIGHBOURS
    num = min(options.num_images, len(images), len(real) if has_floor else len(images))  # as many in every set
    if num <= frechet.NEIGHBOURS:
        return {"absent": f"{num} images are too few to compare sets of images"}
    described = _features(subject)
    rows = _choose(len(images), num)
    sets = {
        "samples": sampling.sample(subject.model, subject.variables, fold_in_name(subject.key, "samples"), num),
        "reconstructions": sampling.decode(subject.model, subject.variables, encoded.mean[rows]),
    }
    if has_floor:
        sets["floor"] = np.asarray(real[_choose(len(real), num)])
    compared = generated.compare(described, np.asarray(images[rows]), sets)
    if has_floor:
        compared["floor"] = {"images": f"{other} split"} | compared["floor"]
    return {
        "num_images": num,
        "neighbours": frechet.NEIGHBOURS,
        "prior": "N(0, I)",
        "features": described.described,
        **compared,
    }


def _disentanglement(subject: Subject, encoded: encodings.Encodings, *, stochastic: bool) -> Section:
    """Codes against the source's factors, where it has them."""
    if "factors" not in subject.split:
        return {}
    key, posterior = fold_in_name(subject.key, "disentanglement"), Gaussian(encoded.mean, encoded.logvar)
    return disentanglement.scores(key, posterior, np.asarray(subject.split["factors"]), stochastic=stochastic)


def _choose(num_data: int, num: int) -> np.ndarray:
    """Rows of a fixed random subset, in order: splits may be sorted."""
    return np.sort(np.random.default_rng(0).permutation(num_data)[:num])


def _features(subject: Subject) -> features.Features:
    """The user's own, else a classifier's if there are labels, else a random network's."""
    if subject.own_features or subject.others is None:
        return subject.own_features or features.random_features(subject.split["image"].shape[1:])
    trained = features.classifier_features(subject.others, cache.cache_root(subject.config.data.cache_dir))
    return trained or features.random_features(subject.others.image_shape)
