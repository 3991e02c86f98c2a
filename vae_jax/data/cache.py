"""Images are decoded once, into a directory of memory-mapped arrays that is named by everything that shaped them.

    CACHE/NAME-KEY/images.npy    uint8 [N, H, W, C], the rows of each split together
                   names.npy     the file of each image, and digest.npy, a hash of its pixels
                   label.npy     and factors.npy, where the source has them
                   meta.json     which rows are which split, label names, what was skipped

This file finds and opens finished directories for the sources that read encoded files; `vae_jax.data.build` makes them.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL

from vae_jax import errors
from vae_jax.data import build, dataset, holdout, images, progress, value_range

_VERSION = 3  # of this code: raise it when the same files would give other arrays


def fetch(
    data,
    name: str,
    identity: list,
    recipe: images.Recipe,
    plan: Callable[[], build.Plan],
    report: progress.Report | None = None,
) -> dataset.Dataset:
    """Return the decoded images as a data set, decoding them first if they are not in the cache.

    Args:
        data: the config section; reads cache_dir, duplicates and valid_fraction. Another valid_fraction needs no new
            decoding.
        name: of the source; the name of the directory begins with it.
        identity: JSON that changes whenever the source's files change.
        recipe: crop and size.
        plan: called only if the images must be decoded.
        report: called with (done, total) in place of the progress line.

    Raises:
        UserError: the cache directory cannot be written, or no image is usable.
        Interrupted: a signal came while images were decoded; the next call continues.
    """
    root = cache_root(data.cache_dir)
    key = json.dumps([_VERSION, PIL.__version__, identity, dataclasses.asdict(recipe), data.duplicates])
    target = root / f"{name.replace('/', '_')}-{hashlib.sha256(key.encode()).hexdigest()[:20]}"
    built = load(target)
    if built is None:
        todo = plan()
        try:
            build.build(root, target, name, recipe, todo, data.duplicates, is_whole=is_whole, report=report)
        except OSError as error:
            raise errors.UserError(
                f"cannot keep decoded images in {root} ({error.strerror or error}): "
                "make room there or set --config.data.cache_dir=DIR"
            ) from None
        built = load(target)
    if built is None:
        raise errors.UserError(f"{target} was damaged while it was read: run the same command again")
    arrays, meta = built
    for sentence in [*meta["said"], *value_range.describe(*meta["levels"])]:
        progress.say(sentence)
    return _as_dataset(name, arrays, meta, data.valid_fraction)


def cache_root(cache_dir: str) -> Path:
    """Return `cache_dir`, or vae_jax/data in the user's cache directory."""
    if cache_dir:
        return Path(cache_dir).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vae_jax" / "data"


def load(target: Path) -> tuple[dict[str, np.ndarray], dict] | None:
    """Map the arrays of a finished build; return None if there is none or one of its files is damaged."""
    try:
        meta = json.loads((target / "meta.json").read_text())
        arrays = {key: np.load(target / f"{file}.npy", mmap_mode="r") for key, file in meta["arrays"].items()}
        if any(len(array) != meta["num_rows"] for array in arrays.values()):
            return None
        _slices(meta, 0.0, arrays["digest"])  # raises where meta.json is damaged
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return arrays, meta


def is_whole(target: Path) -> bool:
    """Return whether there is a finished build whose files are not damaged."""
    return load(target) is not None


def _slices(meta: dict, valid_fraction: float, digests: np.ndarray) -> dict[str, tuple[int, int]]:
    """Return the rows [start, stop) of each split, with the last training images held out where there is no other."""
    slices = {split: (int(start), int(stop)) for split, (start, stop) in meta["splits"].items()}
    if not meta["hold_out"]:
        return slices
    start, stop = slices["train"]
    groups = digests[start:stop] if meta["duplicates"] == "group" else None
    middle = start + holdout.num_kept(stop - start, valid_fraction, groups)
    return slices | {"train": (start, middle), "valid": (middle, stop)}


def _as_dataset(name: str, arrays: dict[str, np.ndarray], meta: dict, valid_fraction: float) -> dataset.Dataset:
    splits, digests = {}, {}
    for split, (start, stop) in _slices(meta, valid_fraction, arrays["digest"]).items():
        rows = {key: values[start:stop] for key, values in arrays.items()}
        digests[split] = np.asarray(rows.pop("digest"))
        if "label" in rows and (rows["label"] == build.NO_CLASS).all():
            del rows["label"]
        splits[split] = rows
    return dataset.make_dataset(name, splits, tuple(meta["label_names"]), digests)
