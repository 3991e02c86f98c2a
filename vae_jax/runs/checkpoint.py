"""Checkpoints in WORKDIR/checkpoints/<step>: the whole state, the run's configuration, a checksum of each array.

The only room that imports orbax. Orbax commits a step by renaming its directory, so a step is there
whole or not at all; but it restores flipped bits without a word, hence the checksums, which travel in
the same commit and are verified on every restore.
"""

import contextlib
import pathlib
import shutil
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from vae_jax import errors
from vae_jax.runs import integrity, legacy_checkpoint, orbax_noise, orbax_path

PyTree = Any
Warn = Callable[[str], None]


class SavedModel(NamedTuple):
    """What inference needs of a checkpoint; parameters are the averaged ones if the run kept them."""

    step: int
    variables: dict[str, PyTree]  # {"params", and the collections}, numpy arrays
    config: dict[str, Any]  # as serialization.to_json wrote it


def open_for_training(workdir: pathlib.Path, keep: int) -> ocp.CheckpointManager:
    """Open WORKDIR/checkpoints to save in: the newest `keep` and the best one (largest score) stay."""
    orbax_noise.silence_late_writes()
    managers = checkpoint_managers
    best = managers.BestN(get_metric_fn=_score, n=1, keep_checkpoints_without_metrics=False)
    options = ocp.CheckpointManagerOptions(
        preservation_policy=managers.AnyPreservationPolicy([managers.LatestN(keep), best]),
        best_fn=_score,  # the policy decides; but without this the manager does not read metrics back
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
        score: the evaluation's score of this state, where larger is better; None if it was not evaluated.

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
        manager.save(step, args=args, metrics=None if score is None else {"score": score}, force=True)
    return sums


def wait(manager: ocp.CheckpointManager) -> None:
    """Wait until the save that was begun last is committed; from then on the run can die at any moment.

    Raises:
        errors.NotSaved: it could not be written; a later one may succeed.
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
        arrays, _ = _arrays(manager, step, _stored(manager, step))
        if integrity.checksums(arrays) != sums:
            raise ValueError("it holds other numbers than were saved")
    except Exception as error:  # whatever orbax runs into
        raise errors.UserError(
            f"checkpoint {_shown(manager, step)} was saved but cannot be read back ({_brief(error)}); the file system "
            "does not keep what it is given, so train in another --workdir"
        ) from error


@contextlib.contextmanager
def _failing(manager: ocp.CheckpointManager) -> Iterator[None]:
    """Turn what a failed save raises into errors.NotSaved, once nothing of it is left."""
    try:
        yield
    except Exception as error:  # orbax raises bare Exception, ValueError, OSError for a full disk
        if jax.process_count() > 1:
            raise  # the others may have saved it, and wait
        orbax_noise.join_leftovers()
        manager.reload()  # it counts the step as saved already
        raise errors.NotSaved(_brief(error).replace(str(manager.directory), str(_shown(manager)))) from error


def close(manager: ocp.CheckpointManager) -> None:
    """Close a manager, after a save that goes on; what a failed one raises a second time here was told already."""
    with contextlib.suppress(Exception):
        manager.close()


def _sweep(manager: ocp.CheckpointManager) -> None:
    """Remove what is left of saves that failed."""
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
    target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)

    def restore(step: int) -> PyTree:
        stored = _stored(manager, step)
        if legacy_checkpoint.is_legacy(stored):
            return _legacy_state(manager, step, stored, like)
        integrity.check_same_model(_variables_of(stored), _variables_of(like.__dict__))
        restore_args = ocp.checkpoint_utils.construct_restore_args(target)
        state = ocp.args.PyTreeRestore(item=target, restore_args=restore_args)
        args = ocp.args.Composite(state=state, checksums=ocp.args.JsonRestore())
        restored = manager.restore(step, args=args)
        integrity.verify(restored["state"], restored["checksums"])
        return restored["state"]

    return _newest(manager, restore, warn)


def restore_variables(workdir: pathlib.Path, which: str = "latest", warn: Warn = warnings.warn) -> SavedModel:
    """Return parameters, running statistics and configuration alone, as numpy, on any number of devices.

    Args:
        workdir: a run's directory.
        which: "latest", "best", or a step.
        warn: told of a damaged checkpoint that was passed over (only with "latest").

    Raises:
        errors.UserError: there is no such checkpoint, or it is damaged.
    """
    directory = workdir / "checkpoints"
    options = ocp.CheckpointManagerOptions(read_only=True, create=False, save_interval_steps=0, best_fn=_score)
    with _open(workdir, options) as manager:
        if which == "latest":
            restored = _newest(manager, lambda step: _variables(manager, step), warn)
            if restored is None:
                raise errors.UserError(f"{directory} holds no finished checkpoint; train longer, or look elsewhere")
            return restored
        step = _chosen_step(manager, which, directory)
        try:
            return _variables(manager, step)
        except Exception as error:
            raise errors.UserError(f"{_refusal(manager, step, error)}; choose another") from None


def _score(metrics: dict[str, float]) -> float:
    return metrics["score"]


def _open(workdir: pathlib.Path, options: ocp.CheckpointManagerOptions) -> ocp.CheckpointManager:
    """Make a manager whose items have handlers from the start; without, it cannot tell what a checkpoint holds."""
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


def _stored(manager: ocp.CheckpointManager, step: int) -> dict[str, PyTree]:
    """Return shapes and dtypes of a checkpoint's state by field, without reading its arrays, which could be read."""
    integrity.check_claims(pathlib.Path(manager.directory) / str(step) / "state")
    metadata = manager.item_metadata(step)["state"]
    if metadata is None:
        raise ValueError("there is no state in it")
    return metadata.tree


def _arrays(manager: ocp.CheckpointManager, step: int, stored: PyTree) -> tuple[PyTree, dict[str, int]]:
    """Return all arrays of a checkpoint as numpy, in the structure of its metadata, and their stored checksums."""
    numpy_leaf = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), stored)
    state = ocp.args.PyTreeRestore(item=stored, restore_args=numpy_leaf)
    restored = manager.restore(step, args=ocp.args.Composite(state=state, checksums=ocp.args.JsonRestore()))
    return restored["state"], restored["checksums"]


def _legacy_state(manager: ocp.CheckpointManager, step: int, stored: PyTree, like: PyTree) -> PyTree:
    """Return the state of a checkpoint of the old layout, laid out and sharded as `like`."""
    fields = legacy_checkpoint.translate(stored)
    fields["params"] = legacy_checkpoint.without_unused(fields["params"], like.params)
    integrity.check_same_model(_variables_of(fields), _variables_of(like.__dict__))
    arrays, checksums = _arrays(manager, step, stored)
    integrity.verify(arrays, checksums)
    return legacy_checkpoint.fit(legacy_checkpoint.translate(arrays), like)


def _variables(manager: ocp.CheckpointManager, step: int) -> SavedModel:
    """Return the parameters, averaged if there are such, and the collections of a checkpoint, without the rest."""
    stored = _stored(manager, step)
    params = "ema_params" if jax.tree.leaves(stored.get("ema_params")) else "params"
    target = {
        name: jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), stored[name])
        for name in (params, "collections", "batch_stats")
        if name in stored
    }
    numpy_leaf = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), target)
    state = ocp.args.PyTreeRestore(item=target, restore_args=numpy_leaf, partial_restore=True)
    args = ocp.args.Composite(state=state, config=ocp.args.JsonRestore(), checksums=ocp.args.JsonRestore())
    restored = manager.restore(step, args=args)
    integrity.verify(restored["state"], restored["checksums"])
    fields = (
        legacy_checkpoint.translate(restored["state"]) if legacy_checkpoint.is_legacy(stored) else restored["state"]
    )
    return SavedModel(step, _variables_of({**fields, "params": fields[params]}), restored["config"])


def _variables_of(fields: Any) -> dict[str, PyTree]:
    """Return the parameters and the collections among the fields of a state, as a model takes them."""
    return {"params": fields["params"], **(fields.get("collections") or {})}


def _chosen_step(manager: ocp.CheckpointManager, which: str, directory: pathlib.Path) -> int:
    steps = sorted(manager.all_steps())
    if which == "best":
        scored = {step: metrics["score"] for step in steps if (metrics := manager.metrics(step))}
        if scored:
            return max(scored, key=lambda step: scored[step])
        raise errors.UserError(f"no checkpoint in {directory} was evaluated yet; use --checkpoint latest")
    if which.isdigit() and int(which) in steps:
        return int(which)
    raise errors.UserError(
        f"no checkpoint {which} in {directory}; there are: latest, best, {', '.join(map(str, steps))}"
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
