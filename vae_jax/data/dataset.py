"""The data set that every source returns, and the checks that all of them pass.

Sources live in their own files, and `vae_jax.data.holdout` chooses which training images become the validation split.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from vae_jax import errors

# The arrays of one split, all with the same first axis N:
#   "image"    uint8 [N, H, W, C], an array or a memory map
#   "name"     str [N], the file of each image relative to the source, or "train/17" for row 17 of an array
#   "label"    int32 [N] classes or [N, A] attributes, where the source has them
#   "factors"  float or int [N, F], where the source has them
Split = dict[str, np.ndarray]

SPLITS = ("train", "valid", "test")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The splits of one source.

    Attributes:
        name: of the source.
        train: the images that a model is trained on.
        valid: the images that select a checkpoint; None where there are none.
        test: the images for reported numbers only; None where there are none.
        label_names: name of each class, or of each attribute of a label [N, A].
        digests: for each split a uint64 [N] that identifies the pixels of each image (`holdout.digests`).
    """

    name: str
    train: Split
    valid: Split | None = None
    test: Split | None = None
    label_names: tuple[str, ...] = ()
    digests: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The shape (H, W, C) of every image."""
        height, width, channels = self.train["image"].shape[1:]
        return height, width, channels

    @property
    def splits(self) -> dict[str, Split]:
        """The splits that exist, by name."""
        return {name: split for name in SPLITS if (split := getattr(self, name)) is not None}


def make_dataset(
    name: str,
    splits: Mapping[str, Split],
    label_names: tuple[str, ...] = (),
    digests: Mapping[str, np.ndarray] | None = None,
) -> Dataset:
    """Return a Dataset of the splits that are not empty, after checking them against each other.

    Raises:
        UserError: there are no training images, the images of two splits differ in shape, or a label or factor has a
            value that no model can use.
    """
    full = {key: split for key, split in splits.items() if len(split["image"])}
    if "train" not in full:
        raise errors.UserError(f"{name} has no training images: put some in, or point --config.data.dir elsewhere")
    shapes = {key: tuple(split["image"].shape[1:]) for key, split in full.items()}
    if len(set(shapes.values())) > 1:
        raise errors.UserError(f"the splits of {name} differ in shape ({shapes}): set --config.data.image_size=H,W")
    full = {key: _checked(name, key, split) for key, split in full.items()}
    digests = {key: values for key, values in (digests or {}).items() if key in full}
    return Dataset(name, full["train"], full.get("valid"), full.get("test"), tuple(label_names), digests)


def _checked(name: str, split_name: str, split: Split) -> Split:
    """Return the split with int32 labels, after checking the values of labels and factors."""
    where = f"the {split_name} images of {name}"
    factors = split.get("factors")
    if factors is not None and factors.dtype.kind == "f" and not np.isfinite(factors).all():
        bad = int((~np.isfinite(factors)).reshape(len(factors), -1).any(1).sum())
        raise errors.UserError(f"{where}: {bad:,} rows of 'factors' are not finite; drop these rows or correct them")
    label = split.get("label")
    if label is None:
        return split
    if label.size and (label.min() < 0 or label.max() >= 2**31):
        wrong = (label < 0) | (label >= 2**31)
        raise errors.UserError(
            f"{where}: {int(wrong.sum()):,} labels are outside 0 to 2147483647, the first is {label[wrong][0]}; "
            "number the classes from 0 and drop images without a class (attributes are 0 or 1)"
        )
    return split | {"label": label.astype(np.int32, copy=False)}
