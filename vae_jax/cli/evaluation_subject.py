"""What is evaluated: a trained model, and the images it is evaluated on."""

import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Evaluate
from vae_jax.config import build
from vae_jax.data import batches, dataset
from vae_jax.evaluation.inputs import inputs
from vae_jax.inference import stored_priors
from vae_jax.random import fold_in_name
from vae_jax.runs import restore


class Subject(NamedTuple):
    """A restored run, and everything that its evaluation takes besides."""

    found: restore.RestoredRun
    step: int
    objective: Any
    split: dataset.Split
    others: dataset.Dataset | None  # the run's data, unless the images are the user's own
    prior: Any  # of --prior; None is the model's own
    key: jax.Array

    def prepare(self, images: jax.Array, key: jax.Array) -> jax.Array:
        return batches.make_prepare(self.found.model, flip=False)(images, key)

    def inputs(self, num: int | None = None) -> Iterator[np.ndarray]:
        """The images, or a fixed random `num` of them, as the model takes them; the same draws of noise every time."""
        images, size = self.split["image"], self.found.config.data.batch_size
        chosen = np.zeros(len(images), bool)
        chosen[choose(len(images), len(images) if num is None else num)] = True
        start, held = 0, []
        for x in inputs(self.prepare, images, size, self.key):
            held += list(x[chosen[start : start + len(x)]])
            start += len(x)
            while len(held) >= size or (held and start == len(images)):
                yield np.stack(held[:size])
                held = held[size:]


def load(path: str, options: Evaluate, say: restore.Say) -> Subject:
    """Restore the run and find the images of --split or --input."""
    allow_import = options.allow_import
    step, found = restore.restore_step(path, options.checkpoint, say, allow_import=allow_import)
    others = None if options.input else cli_images.dataset_of(found.config, options)
    split = (
        cli_images.images_of(found.config, options) if others is None else cli_images.split_of(others, options.split)
    )
    objective = build.make_eval_objective(found.config, len(split["image"]), allow_import=allow_import)
    prior = stored_priors.prior(
        options.prior, step, found, pathlib.Path(path), lambda: cli_images.training_images(found.config, options), say
    )
    key = fold_in_name(jax.random.key(found.config.seed), "eval")
    return Subject(found, step, objective, split, others, prior, key)


def choose(num_data: int, num: int) -> np.ndarray:
    """Rows of a fixed random subset, in order: splits may be sorted."""
    return np.sort(np.random.default_rng(0).permutation(num_data)[:num])
