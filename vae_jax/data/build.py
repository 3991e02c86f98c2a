"""Decode the images of a source into a directory of the cache.

A build writes into a private directory and is renamed when it is complete, so a directory of the final name is always
whole: a killed build leaves nothing under that name, and of two builds at once one is discarded. A build that was
interrupted by Ctrl-C or SIGTERM leaves NAME-KEY.partial, from which the next one continues. `vae_jax.data.cache` calls
`build` and reads what it wrote.
"""

import dataclasses
import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import build_locks, holdout, images, interrupts, progress, rows, stores, workers

NO_CLASS = -1  # the label of images in a split without classes, where other splits have them
_DTYPES = {"label": np.int32, "factors": np.float32}
_Known = tuple[dict[str, np.ndarray], tuple[str, ...]]  # arrays of what is known of each name, and label names
_PARTIAL = "partial.json"
_CHUNK = 1024  # images hashed between two checks for signals


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to decode, in which order.

    Attributes:
        store: where the images are.
        groups: split -> names, in the order wanted.
        num_bytes: encoded size of all of them.
        labels: called while decoding begins; returns what is known of each name beforehand ("label" -> one row per
            name, in the order of `groups`) and the names of the classes or attributes.
        said: sentences to repeat each time the data are used, for example how many of the images there are.
        hold_out: whether "train" is shuffled already, so that its last images can be the validation split.
        published: whether the splits are those of a published data set.
    """

    store: stores.Store
    groups: dict[str, list[str]]
    num_bytes: int
    labels: Callable[[], _Known]
    said: tuple[str, ...] = ()
    hold_out: bool = False
    published: bool = False

    @property
    def names(self) -> list[str]:
        """All names, the splits one after the other."""
        return [item for group in self.groups.values() for item in group]


@dataclasses.dataclass
class _Decoded:
    """How far decoding has come; JSON, so that an interrupted build can be continued."""

    done: int = 0  # names that were decoded or skipped
    kept: list[int] = dataclasses.field(default_factory=list)  # positions of the names that were decoded
    notes: list[dict] = dataclasses.field(default_factory=list)  # what the store knows of each of these
    skipped: list[tuple[str, str]] = dataclasses.field(default_factory=list)  # (name, reason)
    unread_frames: list[int] = dataclasses.field(default_factory=list)  # frames left out, of each file with several
    begun: tuple = ()  # a rows.Begun


def build(
    root: Path,
    target: Path,
    name: str,
    recipe: images.Recipe,
    plan: Plan,
    duplicates: str,
    *,
    is_whole: Callable[[Path], bool],
    report: progress.Report | None,
) -> None:
    """Decode everything in `plan` and publish it as the directory `target` below `root`.

    Raises:
        UserError: no image is usable, or they differ in size.
        Interrupted: a signal came; what was decoded is kept.
    """
    root.mkdir(parents=True, exist_ok=True)
    build_locks.remove_abandoned(root)
    partial = target.with_name(f"{target.name}.partial")
    with build_locks.private_directory(root) as directory, interrupts.noticed() as check:
        decoded = _continued(partial, directory)
        try:
            known = _decode(directory, decoded, recipe, plan, report, check)
            meta = _finish(directory, decoded, name, plan, known, duplicates, check)
        except errors.Interrupted:
            _keep(directory, partial, decoded)
            progress.say(
                f"interrupted: {decoded.done:,} of {len(plan.names):,} images are decoded and kept; "
                "the same command continues from there"
            )
            raise
        with open(directory / "meta.json", "w") as file:
            json.dump(meta, file)
            file.flush()
            os.fsync(file.fileno())
        _publish(directory, target, is_whole)
        progress.say(f"{name}: decoded {meta['num_rows']:,} images into {target}")


def _continued(partial: Path, directory: Path) -> _Decoded:
    """Move what an interrupted build has kept into `directory`, and return how far it came."""
    try:
        directory.rmdir()
        os.rename(partial, directory)  # only one of several builds gets it
        decoded = _Decoded(**json.loads((directory / _PARTIAL).read_text()))
        (directory / _PARTIAL).unlink()
    except (OSError, ValueError, TypeError):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        return _Decoded()
    progress.say(f"continuing an interrupted decoding after {decoded.done:,} images")
    return decoded


def _keep(directory: Path, partial: Path, decoded: _Decoded) -> None:
    (directory / _PARTIAL).write_text(json.dumps(dataclasses.asdict(decoded)))
    shutil.rmtree(partial, ignore_errors=True)
    os.rename(directory, partial)


def _decode(directory: Path, decoded: _Decoded, recipe, plan: Plan, report, check: interrupts.Check) -> _Known:
    """Append the images that are still to be decoded to images.npy, note them in `decoded`, return the labels."""
    names = plan.names
    begun = rows.Begun(*decoded.begun) if decoded.begun else None
    with (
        progress.Bar("decoding images:", decoded.done) as bar,
        rows.ImageRows(directory / "images.npy", len(names), begun) as out,
        workers.decoding(plan.store, names[decoded.done :], recipe, plan.num_bytes, check) as stream,
    ):
        known = plan.labels()  # while the first images are decoded in other processes
        for item in stream:
            if item.pixels is None:
                decoded.skipped.append((item.name, item.reason))
            else:
                out.append(item.name, item.pixels)
                decoded.kept.append(decoded.done)
                decoded.notes.append(item.notes)
                if item.frames > 1 and recipe.frames == "first":
                    decoded.unread_frames.append(item.frames - 1)
            decoded.done += 1
            decoded.begun = out.begun
            (report or bar)(decoded.done, len(names))
            check()
    return known


def _finish(directory: Path, decoded: _Decoded, name: str, plan: Plan, known: _Known, duplicates: str, check) -> dict:
    """Write the arrays beside images.npy, see to copies, and return the content of meta.json."""
    names, kept = plan.names, np.asarray(decoded.kept, np.int64)
    if not len(kept):
        raise errors.UserError(f"none of the {len(names):,} images of {name} is usable: {_skipped(decoded.skipped)}")
    labels, label_names = known
    arrays = {key: values[kept] for key, values in labels.items()}
    arrays |= {key: np.asarray([note[key] for note in decoded.notes], _DTYPES[key]) for key in decoded.notes[0]}
    arrays["name"] = np.array([names[i] for i in kept])
    pixels = np.load(directory / "images.npy", mmap_mode="r")
    arrays["digest"], levels = _read_once(pixels, check)
    starts = _rows_of(plan, kept)
    chosen, said = holdout.select(
        {split: arrays["digest"][start:stop] for split, (start, stop) in starts.items()},
        duplicates,
        hold_out=plan.hold_out,
        published=plan.published,
    )
    order = np.concatenate([starts[split][0] + chosen[split] for split in plan.groups])
    if len(order) < len(pixels) or (order != np.arange(len(order))).any():
        rows.reorder(directory / "images.npy", order)
        arrays = {key: values[order] for key, values in arrays.items()}
    for key, values in arrays.items():
        rows.save(directory / f"{key}.npy", values)
    stops = np.cumsum([len(chosen[split]) for split in plan.groups]).tolist()
    return {
        "num_rows": len(order),
        "splits": dict(zip(plan.groups, zip([0, *stops], stops, strict=False), strict=True)),
        "hold_out": plan.hold_out,
        "duplicates": duplicates,
        "arrays": {"image": "images", **{key: key for key in arrays}},
        "label_names": list(label_names),
        "levels": levels,
        "said": [*plan.said, *_notices(decoded, len(names)), *said],
    }


def _read_once(pixels: np.ndarray, check: interrupts.Check) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the digest of each image, uint64 [N], and the lowest and highest level of all."""
    digests, low, high = [], 255, 0
    for start in range(0, len(pixels), _CHUNK):
        check()
        part = pixels[start : start + _CHUNK]
        digests.append(holdout.digests(part))
        low, high = min(low, int(part.min())), max(high, int(part.max()))
    return np.concatenate(digests), (low, high)


def _rows_of(plan: Plan, kept: np.ndarray) -> dict[str, tuple[int, int]]:
    """Return the rows [start, stop) of each group, among the images that were kept."""
    ends = np.cumsum([len(group) for group in plan.groups.values()])
    stops = [int(stop) for stop in np.searchsorted(kept, ends)]
    return dict(zip(plan.groups, zip([0, *stops], stops, strict=False), strict=True))


def _notices(decoded: _Decoded, num_names: int) -> list[str]:
    notices = []
    if decoded.skipped:
        notices.append(f"skipped {len(decoded.skipped):,} of {num_names:,} images: {_skipped(decoded.skipped)}")
    if decoded.unread_frames:
        notices.append(
            f"used the first frame of {len(decoded.unread_frames):,} files with several; "
            f"{sum(decoded.unread_frames):,} frames are not used (--config.data.frames=all uses each)"
        )
    return notices


def _skipped(skipped: list[tuple[str, str]]) -> str:
    remedy = images.remedy_for_small(reason for _, reason in skipped)
    return stores.describe(skipped) + (f"; {remedy} would use the small ones" if remedy else "")


def _publish(directory: Path, target: Path, is_whole: Callable[[Path], bool]) -> None:
    """Rename the complete build to its name, unless another run was first."""
    while True:
        try:
            os.rename(directory, target)
        except OSError:
            if not target.exists():
                raise
            if is_whole(target):
                return
            # Damaged since it was written: out of the way, then try again.
            wreck = target.with_name(f"{build_locks.PREFIX}{uuid.uuid4().hex}")
            os.rename(target, wreck)
            shutil.rmtree(wreck, ignore_errors=True)
        else:
            rows.sync_directory(target.parent)
            return
