"""A trained model restored from its run's directory, for inference. Training resumes by `checkpoint` instead."""

import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax import errors, models
from vae_jax.config import Config, build, rules, serialization
from vae_jax.runs import checkpoint, integrity, legacy_checkpoint, workdir

Say = Callable[[str], None]


class RestoredRun(NamedTuple):
    """A trained model: the module, its parameters and running statistics, and the run's configuration."""

    model: models.VAE
    variables: dict[str, Any]
    config: Config


def restore_step(
    path: str | os.PathLike[str],
    which: str | int = "latest",
    say: Say = print,
    *,
    allow_import: bool = False,
    model: Any = None,
) -> tuple[int, RestoredRun]:
    """Return the step of the checkpoint that `restore` takes, and what `restore` returns."""
    saved = checkpoint.restore_variables(workdir.existing(path), _checkpoint_name(which), say)
    config = serialization.from_run(saved.config)
    rules.validate(config)
    if model is None:
        model = build.make_model(config, allow_import=allow_import)
    else:
        model = build.with_inputs_of(config, model)
    expected = jax.eval_shape(functools.partial(models.init, model), jax.random.key(0))
    params = legacy_checkpoint.without_unused(saved.variables["params"], expected["params"])
    variables = {**saved.variables, "params": params}
    integrity.check_same_model(variables, expected)
    return saved.step, RestoredRun(model, variables, config)


def _checkpoint_name(which: str | int) -> str:
    """Return "latest", "best", or the digits of a step.

    Raises:
        errors.OutOfRange: `which` is none of these.
    """
    if isinstance(which, int | np.integer) and not isinstance(which, bool) and int(which) >= 0:
        return str(int(which))
    if isinstance(which, str) and (which in ("latest", "best") or which.isdecimal()):
        return which
    raise errors.OutOfRange(f"which must be 'latest', 'best' or a step, not {which!r}")


def restore(
    path: str | os.PathLike[str],
    which: str | int = "latest",
    say: Say = print,
    *,
    allow_import: bool = False,
    model: Any = None,
) -> RestoredRun:
    """Return the model, its parameters and running statistics, and the configuration of a run.

    Args:
        path: the run's directory; nothing else is needed.
        which: "latest", "best", or a step, as a number or as text.
        say: called with a line about each damaged checkpoint that was passed over.
        allow_import: whether the model's code may be imported where config.json names a module of the trainer's own.
        model: the module, where the run was trained with a module given from Python.

    Raises:
        errors.UserError: there is no run, no such checkpoint, the checkpoint does not fit its configuration, or code
            would have to be imported that may not be.
    """
    return restore_step(path, which, say, allow_import=allow_import, model=model)[1]
