"""Checkpoints of the layout that version 0.1 wrote before collections and players, read as today's layout.

Then BatchNorm's statistics were the state's own field `batch_stats`, FactorVAE's critic was called "discriminator", and
a deterministic encoder kept a log variance that nothing read. Delete this file when no such run is restored any more.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

PyTree = Any

OLD_CRITIC, CRITIC = "discriminator", "critic"


def is_legacy(stored: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint's fields are those of the old layout."""
    return "batch_stats" in stored


def translate(stored: Mapping[str, Any]) -> dict[str, PyTree]:
    """Return the fields of an old checkpoint under today's names: `collections`, and the critic's."""
    fields = {name: _renamed(tree) for name, tree in stored.items() if name != "batch_stats"}
    statistics = stored["batch_stats"]
    collections = {"batch_stats": statistics} if jax.tree.leaves(statistics) else {}
    return fields | {"collections": collections}


def without_unused(stored: PyTree, wanted: PyTree) -> PyTree:
    """Return parameters without the encoder's log variance, unless the wanted parameters have one."""
    encoder = stored.get("encoder", {})
    if "logvar" in encoder and "logvar" not in wanted.get("encoder", {}):
        return {**stored, "encoder": {name: tree for name, tree in encoder.items() if name != "logvar"}}
    return stored


def fit(arrays: PyTree, like: PyTree) -> PyTree:
    """Return the arrays of a translated checkpoint in the structure of a state, by the names of their paths.

    Raises:
        ValueError: an array of the state is not among them.
    """
    by_name = {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(arrays)}

    def find(path: Any, leaf: Any) -> Any:
        name = _name(path)
        if name not in by_name:
            raise ValueError(f"there is no {name} in it")
        return _placed(by_name[name], leaf)

    return jax.tree_util.tree_map_with_path(find, like)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _placed(array: Any, like: jax.Array) -> jax.Array:
    """Return an array laid out on the devices as another is; key data become typed keys."""
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        data = _placed(array, jax.random.key_data(like))
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(like))
    return jax.make_array_from_callback(like.shape, like.sharding, lambda index: array[index])


def _renamed(tree: PyTree) -> PyTree:
    """Return a tree of dicts and sequences in which the old critic's name is today's."""
    if isinstance(tree, Mapping):
        return {CRITIC if name == OLD_CRITIC else name: _renamed(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_renamed(value) for value in tree]
    return tree
