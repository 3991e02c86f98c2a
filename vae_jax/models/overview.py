"""The table of a model's layers and parameters, as text.

Training prints the table when it starts, and the report shows the number of parameters.
"""

import math
from collections.abc import Mapping
from typing import Any

import jax


def num_values(tree: Any) -> int:
    """Return the number of scalars in a tree of arrays, or of shapes from `jax.eval_shape`."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def parameter_table(variables: Mapping[str, Any]) -> str:
    """Return a table with a line for each layer (path, shapes, number of parameters) and with the totals.

    Args:
        variables: {"params": ..., "batch_stats": ...} of arrays, or of shapes from `jax.eval_shape`.
    """
    layers: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(variables["params"])[0]:
        *module, name = (entry.key for entry in path)
        layers.setdefault("/".join(module) or "(model)", []).append((name, leaf.shape))

    rows = [("layer", "shapes", "parameters")]
    for layer, leaves in layers.items():
        shapes = ", ".join(f"{name} {'x'.join(map(str, shape)) or 'scalar'}" for name, shape in leaves)
        rows.append((layer, shapes, f"{sum(math.prod(shape) for _, shape in leaves):,}"))
    rows.append(("parameters", "", f"{num_values(variables['params']):,}"))
    rows.append(("running statistics", "", f"{num_values(variables.get('batch_stats', {})):,}"))

    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"{layer:<{widths[0]}}  {shapes:<{widths[1]}}  {count:>{widths[2]}}" for layer, shapes, count in rows
    )
