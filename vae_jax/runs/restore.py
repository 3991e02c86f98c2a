"""A trained model restored from its run's directory, for inference. Training resumes by `checkpoint` instead."""

import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from vae_jax import models
from vae_jax.config import build, configuration
from vae_jax.runs import checkpoint, integrity, workdir

Say = Callable[[str], None]


class RestoredRun(NamedTuple):
    """A trained model: the module, its parameters and running statistics, and the run's configuration."""

    model: models.VAE
    variables: dict[str, Any]
    config: configuration.Config


def restore_step(
    path: str | os.PathLike[str], which: str = "latest", say: Say = print, *, allow_import: bool = False
) -> tuple[int, RestoredRun]:
    """Return the step of the checkpoint that `restore` takes, and what `restore` returns."""
    saved = checkpoint.restore_variables(workdir.existing(path), which, say)
    config = configuration.from_run(saved.config)
    configuration.validate(config)
    model = build.make_model(config, allow_import=allow_import)
    expected = jax.eval_shape(functools.partial(models.init, model), jax.random.key(0))
    integrity.check_same_model(saved.variables, expected)
    return saved.step, RestoredRun(model, saved.variables, config)


def restore(
    path: str | os.PathLike[str], which: str = "latest", say: Say = print, *, allow_import: bool = False
) -> RestoredRun:
    """Return the model, its parameters and running statistics, and the configuration of a run.

    Args:
        path: the run's directory; nothing else is needed.
        which: "latest", "best", or a step.
        say: called with a line about each damaged checkpoint that was passed over.
        allow_import: whether the model's code may be imported where config.json names a module of the trainer's own.

    Raises:
        errors.UserError: there is no run, no such checkpoint, the checkpoint does not fit its configuration, or code
            would have to be imported that may not be.
    """
    return restore_step(path, which, say, allow_import=allow_import)[1]
