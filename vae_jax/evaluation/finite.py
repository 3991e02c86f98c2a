"""Refusals of values that are not finite, by name: weights, what a model makes of images, and reported numbers."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from vae_jax import errors

SHOWN = 3  # names in a message


def check_variables(variables: Any) -> None:
    """Refuse a model whose parameters or collections hold NaN or infinity.

    Raises:
        errors.UserError: names the arrays.
    """
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    bad = [path for path, leaf in leaves if not np.isfinite(np.asarray(leaf, np.float32)).all()]
    if bad:
        names = [jax.tree_util.keystr(path, simple=True, separator="/") for path in bad]
        shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        raise errors.UserError(
            f"the model holds values that are not finite, in {len(names)} of {len(leaves)} arrays ({shown}); "
            "use an earlier checkpoint, or train again"
        )


def check_images(what: str, arrays: Any) -> None:
    """Refuse arrays [N, ...] of N images in which a value is NaN or infinite.

    Args:
        what: the arrays' name in the message, such as "the code".
        arrays: a tree of arrays, images first; None is passed over.

    Raises:
        errors.UserError: says of how many images and which is the first.
    """
    leaves = jax.tree.leaves(arrays)
    if not leaves:
        return
    finite = np.all([np.isfinite(leaf.reshape(len(leaf), -1)).all(axis=1) for leaf in leaves], axis=0)
    if not finite.all():
        raise errors.UserError(
            f"{what} is not finite for {(~finite).sum():,} of {len(finite):,} images, the first is image "
            f"{int(finite.argmin())}: there is nothing to evaluate; use an earlier checkpoint, or train again"
        )


def check_numbers(section: Mapping[str, Any], name: str = "") -> None:
    """Refuse an evaluation in which a number is NaN or infinite, which JSON cannot hold.

    Raises:
        errors.UserError: names the number.
    """
    for key, value in section.items():
        inside = f"{name}.{key}" if name else key
        if isinstance(value, Mapping):
            check_numbers(value, inside)
            continue
        numbers = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, float)]
        if not np.isfinite(numbers).all():
            raise errors.UserError(
                f"{inside} is not finite: the model's outputs are out of range on these images; "
                "use an earlier checkpoint, or train again"
            )
