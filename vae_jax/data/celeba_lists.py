"""CelebA's lists of splits and attributes, as the official text files or as Kaggle's CSV files.

A row belongs to an image by its file's name without suffix: the lists say .jpg, and one edition of the images is .png.
"""

import gzip
import re
import zlib
from pathlib import Path

import numpy as np

from vae_jax import errors

_SPLITS = {"0": "train", "1": "valid", "2": "test"}


def stem(file: str) -> str:
    """Return the name of a file without directories and suffix."""
    return file.rpartition("/")[2].rpartition(".")[0]


def read_partition(path: Path) -> list[tuple[str, str]]:
    """Return (stem, split) of every line "NNNNNN.jpg 0|1|2", or with a comma and a heading.

    Raises:
        UserError: a line that is not so.
    """
    rows = []
    for number, line in enumerate(_read_text(path).splitlines(), 1):
        fields = _fields(line)
        if not fields or (number == 1 and fields[-1] == "partition"):
            continue
        if len(fields) != 2 or fields[1] not in _SPLITS:
            raise errors.UserError(f"{path}, line {number}: expected 'NNNNNN.jpg 0|1|2', fetch the list anew")
        rows.append((stem(fields[0]), _SPLITS[fields[1]]))
    return rows


def read_attributes(path: Path, wanted: set[str]) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Return the names of the attributes, and the uint8 row of 0 or 1 of every stem in `wanted`.

    The official list has a count in line 1 and the names in line 2, Kaggle's has "image_id" and the names in line 1.
    Each further line is "NNNNNN.jpg" and a -1 or 1 for each name.

    Raises:
        UserError: a line that is not so, or a wanted file without a line.
    """
    lines = _read_text(path).splitlines()
    first = 1 if lines and not lines[0].lower().startswith("image_id") else 0
    names = tuple(_fields(lines[first])[1 - first :]) if len(lines) > first else ()
    values = {}
    for number, line in enumerate(lines[first + 1 :], first + 2):
        file, _, flags = line.replace(",", " ").partition(" ")
        if stem(file) not in wanted:
            continue
        flags = flags.split()
        if len(flags) != len(names) or not set(flags) <= {"-1", "1"}:
            raise errors.UserError(
                f"{path}, line {number}: expected {len(names)} values of -1 or 1, fetch the list anew"
            )
        values[stem(file)] = np.array([flag == "1" for flag in flags], np.uint8)
    if len(values) < len(wanted):
        raise errors.UserError(f"{path} lacks {min(wanted - values.keys())}: fetch the list anew, or take it away")
    return names, values


def _fields(line: str) -> list[str]:
    return [field for field in re.split(r"[\s,]+", line.strip()) if field]


def _read_text(path: Path) -> str:
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as file:
            return file.read()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise errors.UserError(f"{path} cannot be read ({error}): fetch the list anew") from None
