"""What a run's data were: a hash of every image by split, so that a resumed run notices other data.

`training` stores a Fingerprint in the run's directory (`to_bytes`) and calls `reconcile` when the run is resumed. The
class names in a fingerprint number the labels of a user's own images (`vae_jax.data.user_images`).
"""

import io
from typing import Any, NamedTuple

import numpy as np

from vae_jax import errors
from vae_jax.data import dataset, holdout, progress


class Fingerprint(NamedTuple):
    """What identifies the data of a run.

    Attributes:
        digests: split -> uint64 [N], sorted, of the pixels of each image (`holdout.digests`).
        labels: a hash of all labels and factors with their images, the same for any order of the images.
        label_names: name of each class or attribute.
    """

    digests: dict[str, np.ndarray]
    labels: int
    label_names: tuple[str, ...]


def fingerprint(data: dataset.Dataset) -> Fingerprint:
    """Return the fingerprint of a data set."""
    found = {name: _digests(data, name) for name in data.splits}
    labels = sum(_label_hash(data.splits[name], found[name]) for name in found) % 2**64
    return Fingerprint({name: np.sort(values) for name, values in found.items()}, labels, data.label_names)


def held_out_names(data: dataset.Dataset) -> list[str]:
    """Return the names of all images that are not trained on, validation first, in the order of their splits."""
    held = [split for name, split in data.splits.items() if name != "train"]
    return [str(name) for split in held for name in split.get("name", ())]


def reconcile(data: dataset.Dataset, stored: Fingerprint, *, accept: bool = False) -> tuple[dataset.Dataset, list[str]]:
    """Return the data with which a run may go on, and a sentence for each change since the run was started.

    Args:
        data: the data as they are found now.
        stored: the fingerprint of the run's data.
        accept: whether other data are accepted. Every image then stays in the split that it was in, so that no image
            that was held out is trained on, and no image that was trained on counts as held out.

    Raises:
        UserError: the data have changed and `accept` is False.
    """
    now = fingerprint(data)
    changed = changes(stored, now)
    if changed and not accept:
        raise errors.UserError(
            f"the data of this run have changed: {'; '.join(changed)}; give it the data it had, use another --workdir, "
            "or go on with --accept_new_data, which trains on no image that was held out"
        )
    moved = _moves(stored, now)
    if moved:
        changed.append(f"{'; '.join(moved)}; every image stays in the split that it had in this run")
    return (_as_before(data, stored) if moved else data), changed


def changes(stored: Fingerprint, now: Fingerprint) -> list[str]:
    """Return a sentence for each difference between the stored images, labels and classes and those found now."""
    found = []
    before, after = _all(stored), _all(now)
    added, removed = _surplus(after, before), _surplus(before, after)
    if added or removed:
        found.append(f"{added:,} images were added and {removed:,} are gone, of {len(before):,}")
    if stored.label_names != now.label_names:
        was, now_is = (progress.names(list(names), 10) or "none" for names in (stored.label_names, now.label_names))
        found.append(f"the classes were {was} and are {now_is}")
    elif not found and stored.labels != now.labels:
        found.append("the labels or factors are others")
    return found


def _moves(stored: Fingerprint, now: Fingerprint) -> list[str]:
    """Return a sentence for each pair of splits between which stored images would move."""
    moved = []
    for new, digests in now.digests.items():
        where = _destinations(new, digests, stored)
        for old in dataset.SPLITS:
            count = int((where == old).sum()) if old != new else 0
            if count:
                moved.append(f"{count:,} images of {old} would now be in {new}")
    return moved


def to_bytes(found: Fingerprint) -> bytes:
    """Return the fingerprint as the content of a file."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {f"digests_{name}": values for name, values in found.digests.items()}
    np.savez_compressed(
        buffer, labels=np.uint64(found.labels), label_names=np.array(found.label_names, dtype=np.str_), **arrays
    )
    return buffer.getvalue()


def from_bytes(content: bytes) -> Fingerprint:
    """Return the fingerprint that `to_bytes` wrote.

    Raises:
        UserError: the content is damaged.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            digests = {name: arrays[f"digests_{name}"] for name in dataset.SPLITS if f"digests_{name}" in arrays}
            return Fingerprint(digests, int(arrays["labels"]), tuple(arrays["label_names"].tolist()))
    except Exception as error:  # numpy and zipfile raise errors of no closed list on damaged files
        raise errors.UserError(f"the run's fingerprint of its data is damaged ({error}); remove that file") from None


def _all(found: Fingerprint) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.uint64), *found.digests.values()])


def _digests(data: dataset.Dataset, name: str) -> np.ndarray:
    return data.digests[name] if name in data.digests else holdout.digests(data.splits[name]["image"])


def _label_hash(split: dataset.Split, digests: np.ndarray) -> int:
    """Return the sum of a hash of each image's digest, label and factors, modulo 2**64."""
    columns = [
        np.ascontiguousarray(split[key]).reshape(len(digests), -1) for key in ("label", "factors") if key in split
    ]
    if not columns:
        return 0
    rows = np.concatenate([digests[:, None].view(np.uint8), *(column.view(np.uint8) for column in columns)], axis=1)
    return int(holdout.digests(rows).sum(dtype=np.uint64))


def _surplus(these: np.ndarray, those: np.ndarray) -> int:
    """Return how many of `these` have no counterpart in `those`, copies counted."""
    values, counts = np.unique(np.concatenate([these, those]), return_counts=True)
    own = np.zeros(len(values), np.int64)
    np.add.at(own, np.searchsorted(values, these), 1)
    return int(np.maximum(2 * own - counts, 0).sum())


def _as_before(data: dataset.Dataset, stored: Fingerprint) -> dataset.Dataset:
    """Return the data with every image in the split in which it was stored."""
    keys = set.intersection(*(set(split) for split in data.splits.values()))
    digests = {name: _digests(data, name) for name in data.splits}
    goes_to = {name: _destinations(name, values, stored) for name, values in digests.items()}
    if all((goes_to[name] == name).all() for name in goes_to):
        return data
    splits, new_digests = {}, {}
    for target in dataset.SPLITS:
        rows = {name: np.flatnonzero(where == target) for name, where in goes_to.items()}
        if any(len(found) for found in rows.values()):
            splits[target] = {
                key: np.concatenate([data.splits[name][key][found] for name, found in rows.items()]) for key in keys
            }
            new_digests[target] = np.concatenate([digests[name][found] for name, found in rows.items()])
    return dataset.make_dataset(data.name, splits, data.label_names, new_digests)


def _destinations(name: str, digests: np.ndarray, stored: Fingerprint) -> np.ndarray:
    """Return the split in which each image was stored; new images, and those stored in this split too, stay."""
    where = np.full(len(digests), name, dtype="<U5")
    here = np.isin(digests, stored.digests.get(name, np.zeros(0, np.uint64)))
    for other, values in stored.digests.items():
        if other != name:
            where[np.isin(digests, values) & ~here] = other
    return where
