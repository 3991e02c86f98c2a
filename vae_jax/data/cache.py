"""Decode once: a directory of memory-mapped arrays, named by everything that shaped them.

    CACHE/NAME-KEY/images.npy    uint8 [N, H, W, C], the rows of each split together
                   label.npy     and factors.npy, where the source has them
                   meta.json     which rows are which split, label names, what was skipped

A build writes into a directory of its own and is renamed when it is complete, so a directory of that name is
whole by construction: an interrupted build leaves nothing under it, and of two builds at once one is discarded.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL

from vae_jax import errors
from vae_jax.data import claims, dataset, images, progress, rows, stores, workers

_DTYPES = {"label": np.int32, "factors": np.float32}
_VERSION = 2  # of this code: raise it when the same files would give other arrays


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to decode, in which order.

    Attributes:
        store: where the images are.
        groups: split -> names, in the order wanted.
        num_bytes: encoded size of all of them.
        labels: called while decoding begins; returns what is known of each name beforehand ("label" -> one row per
            name, in the order of `groups`) and the names of the classes or attributes.
        found: a sentence to say each time the data are used, e.g. how many of the images there are.
        hold_out: whether "train" is shuffled already, so that its last images can be the validation split.
    """

    store: stores.Store
    groups: dict[str, list[str]]
    num_bytes: int
    labels: Callable[[], tuple[dict[str, np.ndarray], tuple[str, ...]]]
    found: str = ""
    hold_out: bool = False


def fetch(
    data,
    name: str,
    identity: list,
    recipe: images.Recipe,
    plan: Callable[[], Plan],
    report: progress.Report | None = None,
) -> dataset.Dataset:
    """Open the decoded arrays, decoding them first if they are not there.

    Args:
        data: the config section; reads cache_dir, and valid_fraction, which needs no decoding anew.
        name: of the source; begins the directory's name.
        identity: JSON that changes whenever the source's files do.
        recipe: crop and size.
        plan: called only if the images must be decoded.
        report: called with (done, total) in place of the progress line.

    Raises:
        UserError: the cache directory cannot be written, or no image is usable.
    """
    root = cache_root(data.cache_dir)
    key = json.dumps([_VERSION, PIL.__version__, identity, dataclasses.asdict(recipe)])
    target = root / f"{name.replace('/', '_')}-{hashlib.sha256(key.encode()).hexdigest()[:20]}"
    built = _load(target)
    if built is None:
        todo = plan()
        try:
            _build(root, target, name, recipe, todo, report)
        except OSError as error:
            raise errors.UserError(
                f"cannot keep decoded images in {root} ({error.strerror or error}): "
                "make room there or set --config.data.cache_dir=DIR"
            ) from None
        built = _load(target)
    arrays, meta = built
    if meta["found"]:
        progress.say(meta["found"])
    if meta["skipped"]:
        progress.say(meta["skipped"])
    slices = _slices(meta, data.valid_fraction)
    splits = {split: {k: v[start:stop] for k, v in arrays.items()} for split, (start, stop) in slices.items()}
    return dataset.make_dataset(name, splits, tuple(meta["label_names"]))


def cache_root(cache_dir: str) -> Path:
    """`cache_dir`, or vae_jax/data in the user's cache directory."""
    if cache_dir:
        return Path(cache_dir).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vae_jax" / "data"


def _slices(meta: dict, valid_fraction: float) -> dict[str, tuple[int, int]]:
    """Rows [start, stop) of each split, a part of the training images held out if that is to be."""
    slices = {split: tuple(rows) for split, rows in meta["splits"].items()}
    if not meta["hold_out"]:
        return slices
    start, stop = slices["train"]
    middle = start + dataset.num_kept(stop - start, valid_fraction)
    return slices | {"train": (start, middle), "valid": (middle, stop)}


def _load(target: Path) -> tuple[dict[str, np.ndarray], dict] | None:
    """Map the arrays of a finished build; None if there is none or a file of it is damaged."""
    try:
        meta = json.loads((target / "meta.json").read_text())
        arrays = {key: np.load(target / f"{file}.npy", mmap_mode="r") for key, file in meta["arrays"].items()}
        if any(len(array) != meta["num_rows"] for array in arrays.values()):
            return None
        _slices(meta, 0.0)  # raises where meta.json is damaged
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return arrays, meta


def _build(root: Path, target: Path, name: str, recipe, plan: Plan, report) -> None:
    root.mkdir(parents=True, exist_ok=True)
    claims.sweep(root)
    with claims.claim(root) as directory:
        meta = _decode(directory, name, recipe, plan, report)
        with open(directory / "meta.json", "w") as file:
            json.dump(meta, file)
            file.flush()
            os.fsync(file.fileno())
        _publish(directory, target)
        progress.say(f"{name}: decoded {meta['num_rows']:,} images into {target}")


def _decode(directory: Path, name: str, recipe, plan: Plan, report) -> dict:
    """Write the arrays of `plan` into `directory` and return what meta.json says of them."""
    names = [item for group in plan.groups.values() for item in group]
    kept, notes, skipped = [], [], []
    with (
        progress.Bar("decoding images:") as bar,
        rows.ImageRows(directory / "images.npy", len(names)) as out,
        workers.decoding(plan.store, names, recipe, plan.num_bytes) as decoded,
    ):
        labels, label_names = plan.labels()
        for done, item in enumerate(decoded, 1):
            if item.pixels is None:
                skipped.append((item.name, item.reason))
            else:
                out.append(item.name, item.pixels)
                kept.append(done - 1)
                notes.append(item.notes)
            (report or bar)(done, len(names))
    if not kept:
        raise errors.UserError(f"none of the {len(names):,} images of {name} is usable: {stores.describe(skipped)}")
    kept = np.asarray(kept)
    arrays = {key: values[kept] for key, values in labels.items()}
    arrays |= {key: np.asarray([note[key] for note in notes], _DTYPES[key]) for key in notes[0]}
    for key, values in arrays.items():
        rows.save(directory / f"{key}.npy", values)
    return {
        "num_rows": len(kept),
        "splits": _rows_of(plan, kept),
        "hold_out": plan.hold_out,
        "arrays": {"image": "images", **{key: key for key in arrays}},
        "label_names": list(label_names),
        "found": plan.found,
        "skipped": f"skipped {len(skipped):,} of {len(names):,} images: {stores.describe(skipped)}" if skipped else "",
    }


def _rows_of(plan: Plan, kept: np.ndarray) -> dict[str, tuple[int, int]]:
    """Rows [start, stop) of each group, among the images that were kept."""
    ends = np.cumsum([len(group) for group in plan.groups.values()])
    stops = [int(stop) for stop in np.searchsorted(kept, ends)]
    return dict(zip(plan.groups, zip([0, *stops], stops, strict=False), strict=True))


def _publish(directory: Path, target: Path) -> None:
    """Rename the complete build to its name, unless another run was first."""
    while True:
        try:
            os.rename(directory, target)
        except OSError:
            if not target.exists():
                raise
            if _load(target) is not None:
                return
            # Damaged since it was written: out of the way, then try again.
            wreck = target.with_name(f"{claims.PREFIX}{uuid.uuid4().hex}")
            os.rename(target, wreck)
            shutil.rmtree(wreck, ignore_errors=True)
        else:
            rows.sync_directory(target.parent)
            return
