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
    """The fixed shuffle of a training split whose last images become the validation split, int64 [N]."""
    return np.random.default_rng(_HOLDOUT_SEED).permutation(num_data)


def num_kept(num_data: int, valid_fraction: float) -> int:
    """How many of `num_data` shuffled training images stay when a share of them is given up for validation.

    A share above 0 gives up one image at least and keeps one at least.
    """
    if not valid_fraction or num_data < 2:
        return num_data
    given_up = int(num_data * valid_fraction + 1e-6)  # 0.29 * 100 is less than 29
    return num_data - min(max(given_up, 1), num_data - 1)


def hold_out(split: Split, valid_fraction: float) -> tuple[Split, Split]:
    """Split in-memory arrays into training images and the last share of their fixed shuffle (copies)."""
    order = holdout_order(len(split["image"]))
    kept = num_kept(len(order), valid_fraction)
    return ({k: v[order[:kept]] for k, v in split.items()}, {k: v[order[kept:]] for k, v in split.items()})
