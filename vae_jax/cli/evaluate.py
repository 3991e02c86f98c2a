"""--mode evaluate: read a run and images, call `evaluation.evaluate`, write evaluation.json and print a table."""

import pathlib
from typing import Any

from vae_jax import errors
from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Evaluate
from vae_jax.config import Config, build
from vae_jax.data import cache, dataset
from vae_jax.evaluation import features, inception, sections, table
from vae_jax.evaluation.image_sets import Comparison
from vae_jax.inference import stored_priors
from vae_jax.runs import restore, workdir

Section = dict[str, Any]


def run(path: str, options: Evaluate, say: restore.Say = print) -> Section:
    """Write evaluation.json, every measurement of the run on a split and what they are of, and print it as a table."""
    step, found = restore.restore_step(path, options.checkpoint, say, allow_import=options.allow_import)
    model, variables, config = found
    data = None if options.input else cli_images.dataset_of(config, options)
    split = cli_images.images_of(config, options) if data is None else cli_images.split_of(data, options.split)
    images = split["image"]
    objective = build.make_eval_objective(config, len(images), allow_import=options.allow_import)
    prior = stored_priors.prior(
        options.prior, step, found, pathlib.Path(path), lambda: cli_images.training_images(config, options), say
    )
    comparison = _comparison(config, options, data, images.shape[1:], prior)
    measured_on = {
        "checkpoint": step,
        "images": options.input or f"{config.data.source} {options.split}",
        "num_images": len(images),
        "units": "nats per image",
    }
    say(f"checkpoint {step}, {len(images):,} images of {measured_on['images']}")
    evaluation = measured_on | sections.evaluate(
        model,
        variables,
        config,
        images,
        objective=objective,
        step=step,
        factors=split.get("factors"),
        num_images=options.num_images,
        num_samples=options.num_samples,
        comparison=comparison,
    )
    file = pathlib.Path(path) / "evaluation.json"
    workdir.write_json(file, evaluation)
    say(table.render(evaluation))
    say(f"wrote {file}")
    return evaluation


def _comparison(
    config: Config, options: Evaluate, data: dataset.Dataset | None, image_shape: tuple[int, ...], prior: Any
) -> Comparison:
    """Return what --features, --prior and --temperature ask for, with the real images of another split as the floor."""
    name = "valid" if options.split == "train" else "train"
    other = getattr(data, name, None)
    return Comparison(
        features=_features(config, options, data, image_shape),
        against=options.input or f"the {options.split} split",
        floor=None if other is None else other["image"],
        floor_is=f"the {name} split",
        prior=prior,
        prior_name=options.prior,
        temperature=options.temperature,
    )


def _features(
    config: Config, options: Evaluate, data: dataset.Dataset | None, image_shape: tuple[int, ...]
) -> features.Features:
    """Return the features of --features; by default a classifier's where there are labels, else a random network's.

    Raises:
        errors.UserError: a classifier is asked for, and there are no labels to learn or it learns nothing of them.
    """
    kind, colon, argument = options.features.partition(":")
    root = cache.cache_root(config.data.cache_dir)
    if kind == "inception":
        return inception.inception_features(pathlib.Path(argument) if argument else root / inception.FILE)
    if colon:
        function = build.find_features(options.features, allow_import=options.allow_import)
        return features.own_features(options.features, function)
    if kind == "random" or (data is None and not kind):
        return features.random_features(image_shape)
    found = None if data is None else features.classifier_features(data, root)
    if isinstance(found, features.Features):
        return found
    reason = found or "these data have no labels to learn"
    if kind == "classifier":
        raise errors.UserError(f"--features=classifier: {reason}; leave the flag out, or give --features=random")
    return features.random_features(image_shape, because=reason)
