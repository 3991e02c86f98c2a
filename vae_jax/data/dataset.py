"""What a source returns, and how a source without a validation split gives one up."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from vae_jax import errors

# "image" uint8 [N, H, W, C], an array or a memory map; "label" int [N] or [N, A] and "factors" [N, F] where the
# source has them. Every array has the same N.
Split = dict[str, np.ndarray]

# Not the run's seed: runs that differ in their seed must be compared on the same images.
_HOLDOUT_SEED = 0


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The splits of one source; `valid` selects, `test` is for reported numbers only."""

    name: str
    train: Split
    valid: Split | None = None
    test: Split | None = None
    label_names: tuple[str, ...] = ()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of every image."""
        return tuple(self.train["image"].shape[1:])


def make_dataset(name: str, splits: Mapping[str, Split], label_names: tuple[str, ...] = ()) -> Dataset:
    """Check the splits against each other and drop the empty ones.

    Raises:
        UserError: no training images, or splits whose images differ in shape.
    """
    full = {key: split for key, split in splits.items() if len(split["image"])}
    if "train" not in full:
        raise errors.UserError(f"{name} has no training images: put some in, or point --config.data.dir elsewhere")
    shapes = {key: tuple(split["image"].shape[1:]) for key, split in full.items()}
    if len(set(shapes.values())) > 1:
        raise errors.UserError(f"the splits of {name} differ in shape ({shapes}): set --config.data.image_size=H,W")
    return Dataset(name, full["train"], full.get("valid"), full.get("test"), tuple(label_names))


def holdout_order(num_data: int) -> np.ndarray:
    """The fixed shuffle of a training split whose last tenth becomes the validation split, int64 [N]."""
    return np.random.default_rng(_HOLDOUT_SEED).permutation(num_data)


def num_kept(num_data: int) -> int:
    """How many of `num_data` shuffled training images stay when the last tenth (at least one) is given up."""
    return num_data - max(1, num_data // 10) if num_data > 1 else num_data


def hold_out(split: Split) -> tuple[Split, Split]:
    """Split in-memory arrays into training images and the last tenth of their fixed shuffle (copies)."""
    order = holdout_order(len(split["image"]))
    kept = num_kept(len(order))
    return ({k: v[order[:kept]] for k, v in split.items()}, {k: v[order[kept:]] for k, v in split.items()})
