"""What one checkpoint holds, read by orbax: all of its arrays, a training state, or a model's variables.

Every function verifies the checksums that were saved with the arrays. `checkpoint` chooses the step, and says what a
user is told of one that cannot be read. No other file uses this one.
"""

import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from vae_jax.runs import integrity, legacy_checkpoint

PyTree = Any


class SavedModel(NamedTuple):
    """What inference needs of a checkpoint.

    Attributes:
        step: the optimiser steps after which the checkpoint was saved.
        variables: {"params", and the collections}, numpy arrays; the averaged parameters if the run kept them.
        config: the run's configuration, as `serialization.to_json` wrote it.
    """

    step: int
    variables: dict[str, PyTree]
    config: dict[str, Any]


def restore_arrays(manager: ocp.CheckpointManager, step: int) -> PyTree:
    """Return all arrays of a checkpoint as numpy, in the structure in which they were stored.

    Raises:
        Exception: the checkpoint is damaged; orbax raises errors of many kinds. The other functions raise likewise.
    """
    stored = _layout(manager, step)
    numpy_leaf = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), stored)
    return _restore(manager, step, ocp.args.PyTreeRestore(item=stored, restore_args=numpy_leaf))["state"]


def restore_state(manager: ocp.CheckpointManager, step: int, like: PyTree) -> PyTree:
    """Return the whole state of a checkpoint, laid out and sharded as the state `like`.

    Raises:
        errors.UserError: the checkpoint is of another model.
    """
    stored = _layout(manager, step)
    if legacy_checkpoint.is_legacy(stored):
        fields = legacy_checkpoint.translate(stored)
        fields["params"] = legacy_checkpoint.without_unused(fields["params"], like.params)
        integrity.check_same_model(_variables_of(fields), _variables_of(like.__dict__))
        return legacy_checkpoint.fit(legacy_checkpoint.translate(restore_arrays(manager, step)), like)
    integrity.check_same_model(_variables_of(stored), _variables_of(like.__dict__))
    target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    restore_args = ocp.checkpoint_utils.construct_restore_args(target)
    return _restore(manager, step, ocp.args.PyTreeRestore(item=target, restore_args=restore_args))["state"]


def restore_variables(manager: ocp.CheckpointManager, step: int) -> SavedModel:
    """Return the model that a checkpoint holds, without reading the optimiser's state."""
    stored = _layout(manager, step)
    params = "ema_params" if jax.tree.leaves(stored.get("ema_params")) else "params"
    target = {
        name: jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), stored[name])
        for name in (params, "collections", "batch_stats")
        if name in stored
    }
    numpy_leaf = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), target)
    state = ocp.args.PyTreeRestore(item=target, restore_args=numpy_leaf, partial_restore=True)
    restored = _restore(manager, step, state, config=ocp.args.JsonRestore())
    fields = restored["state"]
    if legacy_checkpoint.is_legacy(stored):
        fields = legacy_checkpoint.translate(fields)
    return SavedModel(step, _variables_of({**fields, "params": fields[params]}), restored["config"])


def _layout(manager: ocp.CheckpointManager, step: int) -> dict[str, PyTree]:
    """Return the shapes and dtypes of a checkpoint's state by field, once it is sure that its arrays can be read."""
    integrity.check_claims(pathlib.Path(manager.directory) / str(step) / "state")
    metadata = manager.item_metadata(step)["state"]
    if metadata is None:
        raise ValueError("there is no state in it")
    return metadata.tree


def _restore(manager: ocp.CheckpointManager, step: int, state: Any, **items: Any) -> Any:
    """Return the items of a checkpoint by name, after the checksums of its state were verified."""
    args = ocp.args.Composite(state=state, checksums=ocp.args.JsonRestore(), **items)
    restored = manager.restore(step, args=args)
    integrity.verify(restored["state"], restored["checksums"])
    return restored


def _variables_of(fields: Any) -> dict[str, PyTree]:
    """Return the parameters and the collections among the fields of a state, as a model takes them."""
    return {"params": fields["params"], **(fields.get("collections") or {})}
