"""Evaluation's section on sets of images: samples and reconstructions against real ones, by features of them."""

import pathlib
from typing import Any

import numpy as np

from vae_jax import errors
from vae_jax.cli.evaluation_subject import Subject, choose
from vae_jax.cli.options import Evaluate
from vae_jax.config import build
from vae_jax.data import cache
from vae_jax.evaluation import encodings, features, frechet, generated, inception
from vae_jax.inference import sampling
from vae_jax.random import fold_in_name


def section(subject: Subject, encoded: encodings.Encodings, by: features.Features, options: Evaluate) -> dict[str, Any]:
    """Samples, reconstructions and, for a floor, other real images against as many images of the split."""
    images, other = subject.split["image"], "valid" if options.split == "train" else "train"
    real = (getattr(subject.others, other, None) or {"image": ()})["image"]
    has_floor = len(real) > frechet.NEIGHBOURS
    num = min(options.num_images, len(images), len(real) if has_floor else len(images))  # as many in every set
    if num <= frechet.NEIGHBOURS:
        return {"absent": f"{num} images are too few to compare sets of images"}
    rows = choose(len(images), num)
    model, variables, _ = subject.found
    sets = _samples(subject, num, options)
    sets["reconstructions"] = sampling.decode(model, variables, encoded.mean[rows])
    if has_floor:
        sets["floor"] = np.asarray(real[choose(len(real), num)])
    compared = generated.compare(by, np.asarray(images[rows]), sets)
    return {
        "num_images": num,
        "against": options.input or f"the {options.split} split",
        "floor_is": f"the {other} split" if has_floor else "absent: there is no other split of real images",
        "temperature": options.temperature,
        "neighbours": frechet.NEIGHBOURS,
        "features": by.described,
        **compared,
    }


def _samples(subject: Subject, num: int, options: Evaluate) -> dict[str, np.ndarray]:
    """Images from N(0, I) and, with --prior, from that density too, by the same noise."""
    model, variables, _ = subject.found
    key = fold_in_name(subject.key, "samples")
    sets = {"samples": sampling.sample(model, variables, key, num, temperature=options.temperature)}
    if options.prior != "standard":
        sets[f"samples of {options.prior}"] = sampling.sample(
            model, variables, key, num, temperature=options.temperature, prior=subject.prior
        )
    return sets


def features_of(subject: Subject, options: Evaluate) -> features.Features:
    """Those of --features; without it a classifier's if there are labels, else a random network's."""
    kind, colon, argument = options.features.partition(":")
    shape = subject.split["image"].shape[1:]
    root = cache.cache_root(subject.found.config.data.cache_dir)
    if kind == "inception":
        return inception.load(pathlib.Path(argument) if argument else root / inception.FILE)
    if colon:
        function = build.find_features(options.features, allow_import=options.allow_import)
        return features.own_features(options.features, function)
    trained = None
    if kind != "random" and subject.others is not None:
        trained = features.classifier_features(subject.others, root)
    if kind == "classifier" and trained is None:
        raise errors.UserError("--features=classifier: these data have no labels to learn; leave it out, or say random")
    return trained or features.random_features(shape)
