"""Checkpoints in WORKDIR/checkpoints/<step>: the whole state, the run's configuration, a checksum of each array.

Orbax commits a step by renaming its directory, so a step is there whole or not at all. But orbax restores flipped bits
without a word. So the checksums are saved in the same commit, and every restore verifies them. How a single step is
read is in `stored_step`; these two files alone import orbax. Training saves and resumes by this file, and `restore`
reads trained models by it.
"""

import contextlib
import math
import pathlib
import shutil
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from vae_jax import errors
from vae_jax.runs import integrity, orbax_noise, orbax_path, stored_step

PyTree = Any
Warn = Callable[[str], None]


def open_for_training(workdir: pathlib.Path, keep: int) -> ocp.CheckpointManager:
    """Return a manager that saves in WORKDIR/checkpoints, and keeps the newest checkpoints and the best one.

    Args:
        workdir: the run's directory, which exists.
        keep: how many of the newest checkpoints stay; the one with the largest score stays beside them.

    Raises:
        errors.UserError: the directory's path or a checkpoint in it cannot be used.
    """
    orbax_noise.silence_late_writes()
    managers = checkpoint_managers
    best = managers.BestN(get_metric_fn=_score, n=1, keep_checkpoints_without_metrics=False)
    options = ocp.CheckpointManagerOptions(
        preservation_policy=managers.AnyPreservationPolicy([managers.LatestN(keep), best]),
        best_fn=_score,  # the policy decides, but the manager reads scores back only if it is given this function
        cleanup_tmp_directories=True,
    )
    return _open(workdir, options)


def save(
    manager: ocp.CheckpointManager, state: PyTree, config: dict[str, Any], score: float | None = None
) -> dict[str, int] | None:
    """Begin to save a state in the background, and return the checksums of its arrays, for `read_back`.

    The arrays are copied to host memory first, because the next training step is given the buffers of the state. A
    save that still goes on is waited for. The call returns None if there is a checkpoint of the state's step already.

    Args:
        manager: as `open_for_training` returned it.
        state: a `TrainState`; its `step` names the checkpoint.
        config: the run's configuration, as JSON.
        score: the evaluation's score of this state, where larger is better; None if it was not evaluated. A score
            that is not finite counts as none.

    Raises:
        errors.NotSaved: as `wait`.
    """
    wait(manager)
    step = int(state.step)
    if step in manager.all_steps():
        return None
    sums = integrity.checksums(state)
    args = ocp.args.Composite(
        state=ocp.args.PyTreeSave(state),
        config=ocp.args.JsonSave(config),
        checksums=ocp.args.JsonSave(sums),
    )
    if jax.process_count() == 1:
        _sweep(manager)
    with _failing(manager):
        metrics = {"score": score} if score is not None and math.isfinite(score) else None
        manager.save(step, args=args, metrics=metrics, force=True)
    return sums


def wait(manager: ocp.CheckpointManager) -> None:
    """Wait until the save that was begun last is committed. From then on the run can be killed at any moment.

    Raises:
        errors.NotSaved: the checkpoint could not be written; a later save may succeed.
    """
    with _failing(manager):
        manager.wait_until_finished()


def read_back(manager: ocp.CheckpointManager, step: int, sums: dict[str, int]) -> None:
    """Restore a checkpoint that was just saved, and compare its arrays with what was to be saved.

    Args:
        manager: as `open_for_training` returned it.
        step: the checkpoint's step.
        sums: what `save` returned.

    Raises:
        errors.UserError: the checkpoint cannot be read, or it holds other arrays.
    """
    try:
        if integrity.checksums(stored_step.restore_arrays(manager, step)) != sums:
            raise ValueError("it holds other numbers than were saved")
    except Exception as error:  # whatever orbax runs into
        raise errors.UserError(
            f"checkpoint {_shown(manager, step)} was saved but cannot be read back ({_brief(error)}); the file system "
            "does not keep what it is given, so train in another --workdir"
        ) from error


@contextlib.contextmanager
def _failing(manager: ocp.CheckpointManager) -> Iterator[None]:
    """Turn any error of a failed save into errors.NotSaved, after the threads of the save have ended."""
    try:
        yield
    except Exception as error:  # orbax raises bare Exception, ValueError, OSError for a full disk
        if jax.process_count() > 1:
            raise  # the other processes may have saved the checkpoint, and wait for this one
        orbax_noise.join_leftovers()
        manager.reload()  # the manager counts the step as saved already
        raise errors.NotSaved(_brief(error).replace(str(manager.directory), str(_shown(manager)))) from error


def close(manager: ocp.CheckpointManager) -> None:
    """Close a manager, after a save that still goes on. `wait` has already raised the error of a save that failed."""
    with contextlib.suppress(Exception):
        manager.close()


def _sweep(manager: ocp.CheckpointManager) -> None:
    """Remove the temporary directories of saves that failed."""
    for leftover in pathlib.Path(manager.directory).glob(f"*{ocp.utils.TMP_DIR_SUFFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def best_score(manager: ocp.CheckpointManager) -> float | None:
    """Return the largest score among the checkpoints, or None if none has one."""
    scores = [metrics["score"] for step in manager.all_steps() if (metrics := manager.metrics(step))]
    return max(scores, default=None)


def restore_state(manager: ocp.CheckpointManager, like: PyTree, warn: Warn = warnings.warn) -> PyTree | None:
    """Return the newest undamaged state, laid out and sharded as `like`, or None if there is no checkpoint.

    A damaged checkpoint is named through `warn`, left where it is, and the one before it is tried.

    Raises:
        errors.UserError: the checkpoint is of another model, or every checkpoint is damaged.
    """
    return _newest(manager, lambda step: stored_step.restore_state(manager, step, like), warn)


def restore_variables(
    workdir: pathlib.Path, which: str = "latest", warn: Warn = warnings.warn
) -> stored_step.SavedModel:
    """Return parameters, running statistics and configuration alone, as numpy, on any number of devices.

    Args:
        workdir: a run's directory.
        which: "latest", "best", or a step.
        warn: called with a line for each damaged checkpoint that is passed over, which happens with "latest" alone.

    Raises:
        errors.UserError: there is no such checkpoint, or it is damaged or holds values that are not finite.
    """
    options = ocp.CheckpointManagerOptions(read_only=True, create=False, save_interval_steps=0, best_fn=_score)
    with _open(workdir, options) as manager:
        saved = _latest_model(manager, warn) if which == "latest" else _model(manager, _chosen_step(manager, which))
        integrity.check_finite(saved.variables, f"checkpoint {_shown(manager, saved.step)}")
        return saved


def _latest_model(manager: ocp.CheckpointManager, warn: Warn) -> stored_step.SavedModel:
    saved = _newest(manager, lambda step: stored_step.restore_variables(manager, step), warn)
    if saved is None:
        raise errors.UserError(f"{_shown(manager)} holds no finished checkpoint; train longer, or look elsewhere")
    return saved


def _model(manager: ocp.CheckpointManager, step: int) -> stored_step.SavedModel:
    try:
        return stored_step.restore_variables(manager, step)
    except Exception as error:
        raise errors.UserError(f"{_refusal(manager, step, error)}; choose another") from None


def _score(metrics: dict[str, float]) -> float:
    return metrics["score"]


def _open(workdir: pathlib.Path, options: ocp.CheckpointManagerOptions) -> ocp.CheckpointManager:
    """Return a manager that knows from the start what kind of item each part of a checkpoint is.

    A manager without such a registry cannot tell what a checkpoint holds before it has saved or restored one.
    """
    registry = ocp.handlers.DefaultCheckpointHandlerRegistry()
    state, json = ocp.PyTreeCheckpointHandler(), ocp.JsonCheckpointHandler()
    for args in (ocp.args.PyTreeSave, ocp.args.PyTreeRestore):
        registry.add("state", args, state)
    for item in ("config", "checksums"):
        for args in (ocp.args.JsonSave, ocp.args.JsonRestore):
            registry.add(item, args, json)
    try:
        with orbax_noise.quiet():
            directory = orbax_path.orbax_path(workdir) / "checkpoints"
            return ocp.CheckpointManager(directory, options=options, handler_registry=registry)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise errors.UserError(
            f"{workdir / 'checkpoints'} holds a checkpoint whose metadata cannot be read ({_brief(error)}); "
            "move that checkpoint away"
        ) from None


def _chosen_step(manager: ocp.CheckpointManager, which: str) -> int:
    """Return the step that "best" or a number means."""
    steps = sorted(manager.all_steps())
    if which == "best":
        scored = {step: metrics["score"] for step in steps if (metrics := manager.metrics(step))}
        if scored:
            return max(scored, key=lambda step: scored[step])
        raise errors.UserError(f"no checkpoint in {_shown(manager)} was evaluated yet; use --checkpoint latest")
    if which.isdigit() and int(which) in steps:
        return int(which)
    raise errors.UserError(
        f"no checkpoint {which} in {_shown(manager)}; there are: latest, best, {', '.join(map(str, steps))}"
    )


def _newest(manager: ocp.CheckpointManager, restore: Callable[[int], Any], warn: Warn) -> Any | None:
    """Return `restore(step)` of the newest step that is undamaged, or None if there are no steps."""
    steps = sorted(manager.all_steps(), reverse=True)
    for step in steps:
        try:
            return restore(step)
        except errors.UserError:
            raise
        except Exception as error:  # orbax raises whatever its code runs into: bare Exception, ValueError, TypeError
            if not (manager.directory / str(step)).exists():
                manager.reload()  # a training that goes on here has replaced the checkpoint by a newer one
                return _newest(manager, restore, warn)
            warn(f"{_refusal(manager, step, error)}; trying the one before it")
    if steps:
        raise errors.UserError(f"every checkpoint in {_shown(manager)} is damaged; start anew in another --workdir")
    return None


def _refusal(manager: ocp.CheckpointManager, step: int, error: Exception) -> str:
    """Return "checkpoint PATH is damaged (REASON)", after an error that `step` could not be restored for.

    Raises:
        errors.UserError: the error says nothing of the checkpoint: it could not be opened, or there is no memory.
    """
    if integrity.is_damage(error):
        return f"checkpoint {_shown(manager, step)} is damaged ({_brief(error)})"
    raise errors.UserError(
        f"checkpoint {_shown(manager, step)} cannot be read now ({_brief(error)}); it may be whole, so see to that "
        "and run the same command again"
    ) from None


def _shown(manager: ocp.CheckpointManager, step: int | None = None) -> pathlib.Path:
    """Return the path of a step, or of the directory of all, as the user wrote it."""
    return orbax_path.true_path(manager.directory if step is None else manager.directory / str(step))


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:160]
