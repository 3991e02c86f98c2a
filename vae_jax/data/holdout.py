"""Which images belong to which side of a split: the held-out share, and images that occur more than once.

Sources call `select` with the digests of their images, then `num_kept` to cut the training images in two. How a source
recognises splits that it already has is not here (`vae_jax.data.layout`, `vae_jax.data.array_names`).
"""

import hashlib
from collections.abc import Mapping

import numpy as np

from vae_jax.data import dataset

POLICIES = ("group", "keep", "drop")

# Not the run's seed: runs that differ in their seed must be compared on the same images.
_HOLDOUT_SEED = 0


def holdout_order(num_data: int) -> np.ndarray:
    """Return the fixed shuffle of a training split whose last images become the validation split, int64 [N]."""
    return np.random.default_rng(_HOLDOUT_SEED).permutation(num_data)


def digests(images: np.ndarray) -> np.ndarray:
    """Return a 64-bit hash of the pixels of each image [N, H, W, C], uint64 [N]; equal images have equal hashes."""
    out = np.empty(len(images), np.uint64)
    for i, image in enumerate(images):
        out[i] = int.from_bytes(hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8).digest(), "little")
    return out


def num_kept(num_data: int, valid_fraction: float, digests: np.ndarray | None = None) -> int:
    """Return how many of `num_data` training images stay when the last share of them is held out for validation.

    A share above 0 holds out at least one image and keeps at least one.

    Args:
        num_data: N.
        valid_fraction: the share to hold out; 0 holds out nothing.
        digests: uint64 [N] where copies of an image, which must be neighbours, may not be separated.
    """
    if not valid_fraction or num_data < 2:
        return num_data
    given_up = int(num_data * valid_fraction + 1e-6)  # 0.29 * 100 is less than 29
    kept = num_data - min(max(given_up, 1), num_data - 1)
    if digests is None:
        return kept
    boundaries = np.flatnonzero(digests[1:] != digests[:-1]) + 1
    if not len(boundaries):  # copies of one image only
        return num_data
    return int(boundaries[max(np.searchsorted(boundaries, kept, side="right") - 1, 0)])


def select(
    digests: Mapping[str, np.ndarray], policy: str, *, hold_out: bool, published: bool = False
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the rows of each split to use, in order, and sentences about images that occur more than once.

    Args:
        digests: split -> uint64 [N], of the images in their present order.
        policy: what to do with copies: "group" keeps the copies of an image on one side of every split, "keep" changes
            nothing, "drop" uses each image once.
        hold_out: whether a part of "train" is still to be held out, by `num_kept`.
        published: whether the splits are those of a published data set, which "group" does not change.
    """
    rows = {name: np.arange(len(values)) for name, values in digests.items()}
    said = []
    inside = {name: len(values) - len(np.unique(values)) for name, values in digests.items()}
    matter = inside["train"] if hold_out else 0
    if policy == "drop" and any(inside.values()):
        rows = {name: np.sort(np.unique(values, return_index=True)[1]) for name, values in digests.items()}
        said.append(f"{sum(inside.values()):,} images have the same pixels as another and are left out")
    elif matter and policy == "group":
        rows["train"] = copies_together(digests["train"])
        said.append(
            f"{matter:,} of {len(digests['train']):,} images have the same pixels as another: all copies of an image "
            "are on one side of the held-out split (--config.data.duplicates=drop leaves the copies out)"
        )
    elif matter:
        said.append(
            f"{matter:,} of {len(digests['train']):,} images have the same pixels as another and may be on both "
            "sides of the held-out split (--config.data.duplicates=group puts copies on one side)"
        )
    _separate(rows, digests, policy, published, said)
    return rows, said


def copies_together(digests: np.ndarray) -> np.ndarray:
    """Return the order in which every copy follows the first occurrence of its image, int64 [N].

    Images that occur once keep their order.
    """
    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    return np.argsort(first[inverse], kind="stable")


def _separate(rows: dict, digests: Mapping, policy: str, published: bool, said: list[str]) -> None:
    """Take out of `rows` the training images that occur in another split, and validation images that are in test."""
    for name, others in (("train", ("valid", "test")), ("valid", ("test",))):
        found = [digests[other] for other in others if other in digests and len(digests[other])]
        if name not in rows or not found:
            continue
        shared = np.isin(digests[name][rows[name]], np.concatenate(found))
        if not shared.any():
            continue
        sentence = f"{int(shared.sum()):,} {name} images have the same pixels as an image of {' or '.join(others)}"
        if policy == "keep" or (published and policy == "group"):
            said.append(f"{sentence} (--config.data.duplicates=drop leaves them out of {name})")
            continue
        rows[name] = rows[name][~shared]
        said.append(f"{sentence} and are left out of {name} (--config.data.duplicates=keep uses them)")


def split_rows(split: dataset.Split, rows: np.ndarray) -> dataset.Split:
    """Return the rows of every array of a split, without a copy where `rows` are all of them in order."""
    if len(rows) == len(split["image"]) and (rows == np.arange(len(rows))).all():
        return split
    return {key: values[rows] for key, values in split.items()}
