"""Files with a row for each image, written part by part in bounded memory: .csv, or .npz with an array a column.

A part is {column: array [B, ...]}; all parts have the same columns. Each file is written whole or not at all.
"""

import contextlib
import csv
import os
import pathlib
import shutil
import tempfile
import zipfile
from collections.abc import Iterator

import numpy as np

Part = dict[str, np.ndarray]


def write(path: pathlib.Path, parts: Iterator[Part]) -> int:
    """Write the parts to a .csv or .npz file, and return the number of rows."""
    writer = {".csv": _write_csv, ".npz": _write_npz}[path.suffix]
    with _renamed_when_whole(path) as temporary:
        return writer(temporary, parts)


@contextlib.contextmanager
def _renamed_when_whole(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Give a temporary path, which becomes `path` if the body ends without an error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _write_csv(path: pathlib.Path, parts: Iterator[Part]) -> int:
    """Write a row an image; a column [B, D] becomes D columns NAME_0, NAME_1, ..."""
    rows = 0
    with open(path, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        for part in parts:
            columns = _flat(part)
            if not rows:
                writer.writerow(columns)
            writer.writerows(zip(*(values.tolist() for values in columns.values()), strict=True))
            rows += len(next(iter(part.values())))
    return rows


def _flat(part: Part) -> Part:
    """Return the columns of a part as arrays [B]."""
    flat: Part = {}
    for name, values in part.items():
        if values.ndim == 1:
            flat[name] = _shortest(values)
            continue
        rows = _shortest(values).reshape(len(values), -1)
        flat |= {f"{name}_{index}": rows[:, index] for index in range(rows.shape[1])}
    return flat


def _shortest(values: np.ndarray) -> np.ndarray:
    """Return float32 values as the float64 values that print with no more digits than float32 has."""
    if values.dtype != np.float32:
        return values
    return np.array([float(str(value)) for value in values.ravel()]).reshape(values.shape)


def _write_npz(path: pathlib.Path, parts: Iterator[Part]) -> int:
    """Write an array a column: the parts go to a temporary file a column, and from there into the archive."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".columns.") as directory:
        columns: dict[str, _Column] = {}
        for part in parts:
            for name, values in part.items():
                columns.setdefault(name, _Column(pathlib.Path(directory) / str(len(columns)))).append(values)
        with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
            for name, column in columns.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    column.copy_to(file)
    return next(iter(columns.values())).rows if columns else 0


class _Column:
    """One array of an .npz file: its rows so far, in a file of their bytes; text is kept in memory."""

    def __init__(self, path: pathlib.Path):
        self._path, self._text, self._first, self.rows = path, [], None, 0

    def append(self, values: np.ndarray) -> None:
        """Add rows [B, ...]."""
        self.rows += len(values)
        if values.dtype.kind == "U":  # whose width may grow from part to part
            self._text += values.tolist()
            return
        self._first = values[:0] if self._first is None else self._first
        with open(self._path, "ab") as file:
            file.write(np.ascontiguousarray(values, self._first.dtype).tobytes())

    def copy_to(self, file) -> None:
        """Write all rows in numpy's format."""
        if self._first is None:
            np.lib.format.write_array(file, np.array(self._text))
            return
        shape = (self.rows, *self._first.shape[1:])
        header = {"descr": np.lib.format.dtype_to_descr(self._first.dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_2_0(file, header)
        with open(self._path, "rb") as rows:
            shutil.copyfileobj(rows, file)
