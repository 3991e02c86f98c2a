"""Names for directories that orbax and tensorstore do not misread. `checkpoint` uses them, and nothing else needs to.

Why this file exists: orbax finds the files of a checkpoint by a glob of the whole path, so `[v2]`, `*` and `?` match
other names or none, and it takes `gs:/` in a path for a bucket. tensorstore reads `#`, `%`, `?` and `|` as parts of a
URL, a backslash as a slash, and takes no path that is not UTF-8. In each case a save succeeds, and its arrays cannot be
read again.
What it gains: a run in a directory of any name; `pytest tests/runs/test_paths.py` tries every printable character.
When to delete it: as soon as that test passes with `orbax_path` returning its argument.
"""

import functools
import os
import pathlib
import re

from vae_jax import errors

_MISREAD = re.compile(r"[\[\]*?#%|\\:\udc80-\udcff]")
_DESCRIPTORS = pathlib.Path("/proc/self/fd")


def orbax_path(directory: pathlib.Path) -> pathlib.Path:
    """Return a path of an existing directory that orbax can take: its own, or one by an open descriptor.

    Args:
        directory: an absolute path.

    Raises:
        errors.UserError: orbax would misread the path, and this system does not name descriptors (only Linux does).
    """
    if not _MISREAD.search(str(directory)):
        return directory
    status = directory.stat()
    path = _DESCRIPTORS / str(_descriptor(status.st_dev, status.st_ino, directory))
    if not path.is_dir():
        misread = " ".join(sorted(set(_MISREAD.findall(str(directory)))))
        raise errors.UserError(
            f"checkpoints cannot be kept below {directory}: orbax misreads these characters of the path: "
            f"{ascii(misread)}; choose another --workdir"
        )
    return path


def true_path(path: os.PathLike[str]) -> pathlib.Path:
    """Return a path as its user knows it, from one that begins with a path that `orbax_path` made."""
    text = pathlib.Path(path)
    if not text.is_relative_to(_DESCRIPTORS):
        return text
    descriptor, *rest = text.relative_to(_DESCRIPTORS).parts
    return pathlib.Path(os.readlink(_DESCRIPTORS / descriptor), *rest)


@functools.cache
def _descriptor(device: int, inode: int, directory: pathlib.Path) -> int:
    """Return an open descriptor of a directory. It is never closed: a late write must not reach another directory."""
    return os.open(directory, os.O_RDONLY)
