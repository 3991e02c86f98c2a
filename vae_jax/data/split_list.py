"""`data.split_file`: a text or CSV file with the name and the split of each image.

The names are those of `Split["name"]`: paths relative to the data, or file names alone where these are unique, or row
numbers of an array.
"""

import collections
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import dataset, layout, progress

_CODES = {"0": "train", "1": "valid", "2": "test"}


def identity(path: Path) -> list:
    """Return JSON that changes whenever the content of the list changes.

    Raises:
        UserError: the file cannot be read.
    """
    return [str(path), zlib.crc32(_read(path).encode("utf-8", "surrogateescape"))]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise errors.UserError(f"{path} cannot be read ({error.strerror}): set --config.data.split_file") from None


def read_split_list(path: Path) -> dict[str, str]:
    """Return {name: split} of every line "NAME SPLIT", separated by a comma, a tab or spaces.

    The split is train, valid or test in any usual spelling, or 0, 1 or 2. A first line without a split is a heading.

    Raises:
        UserError: the file cannot be read, or a line is not of this form.
    """
    listed = {}
    for number, line in enumerate(_read(path).splitlines(), 1):
        if not line.strip():
            continue
        fields = re.fullmatch(r"\s*(.+?)\s*[\s,;]\s*(\S+?)\s*", line)
        name, word = (field.strip("\"'") for field in fields.groups()) if fields else (line, "")
        split = _CODES.get(word) or layout.split_named(word)
        if split is None and number > 1:
            raise errors.UserError(f"{path}, line {number}: expected a name and train, valid or test, not {line!r}")
        if split is not None:
            name = _plain(name)
            if listed.get(name, split) != split:
                raise errors.UserError(f"{path}, line {number}: {name} is already listed as {listed[name]}")
            listed[name] = split
    return listed


def assign(path: Path, names: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the rows of each split by the list in `path`, int64 [N] each, and sentences about what is left out.

    Raises:
        UserError: the list cannot be used, names no image, or names one that may be several.
    """
    listed = read_split_list(path)
    rows = _rows_by_name(names)
    found, absent = {}, []
    for name, split in listed.items():
        candidates = rows.get(name) or []
        if len(candidates) > 1:
            raise errors.UserError(
                f"{path} lists {name}, which may be {names[candidates[0]]} or {names[candidates[1]]}: list the path"
            )
        if candidates:
            found[candidates[0]] = split
        else:
            absent.append(name)
    if not found:
        raise errors.UserError(f"{path} lists none of the images; it has {progress.names(list(listed)[:3]) or 'none'}")
    groups = {
        split: np.array(sorted(row for row, of in found.items() if of == split), np.int64) for split in dataset.SPLITS
    }
    groups = {split: group for split, group in groups.items() if len(group)}
    said = [f"splits of {path}: " + ", ".join(f"{split} {len(group):,}" for split, group in groups.items())]
    left = [names[row] for row in range(len(names)) if row not in found]
    if left:
        said.append(f"left out {len(left):,} images that {path.name} does not list: {_shown(left)}")
    if absent:
        said.append(f"{path.name} lists {len(absent):,} images that are not there: {_shown(absent)}")
    return groups, said


def _rows_by_name(names: Sequence[str]) -> dict[str, list[int]]:
    """Index the names by their path and their file name, both with and without suffix."""
    exact, rows = {}, collections.defaultdict(list)
    for row, name in enumerate(names):
        plain = _plain(name)
        exact.setdefault(plain, []).append(row)
        file = plain.rpartition("/")[2]
        for short in {file, file.rpartition(".")[0], plain.rpartition(".")[0]} - {plain, ""}:
            rows[short].append(row)
    return {**rows, **exact}


def _plain(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _shown(names: list[str]) -> str:
    return progress.names([progress.printable(name) for name in names])
