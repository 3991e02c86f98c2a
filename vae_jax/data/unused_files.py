"""Which files of a directory or a zip are not data: other suffixes, hidden files, and the directories of runs.

`vae_jax.data.stores` asks for each file; what is passed over is counted, and said in one or two sentences.
"""

import collections
import os
from collections.abc import Iterable
from pathlib import Path

from vae_jax import errors
from vae_jax.data import images, progress

COMMON_SUFFIXES = ".jpg .jpeg .png .webp .tif .bmp .gif"

# At least two of these in one directory mean that it is the directory of a run.
_RUN_FILES = {"config.json", "metrics.jsonl", "evaluation.json", "checkpoints", "tensorboard"}


class Unused:
    """The files that a store passes over, counted by suffix, and the runs in it."""

    def __init__(self, runs: Iterable[str] = ()):
        self.suffixes: collections.Counter[str] = collections.Counter()
        self.runs = list(runs)

    def takes(self, name: str) -> bool:
        """Return whether this file is passed over, and count it if a user may have meant it as data."""
        hidden = is_hidden(name)
        suffix = os.path.splitext(name)[1].lower()
        if hidden and suffix in images.SUFFIXES:
            self.suffixes["hidden"] += 1
        elif not hidden and suffix not in images.SUFFIXES:
            self.suffixes[suffix or "suffixless"] += 1
        return hidden or suffix not in images.SUFFIXES

    def counted(self) -> str:
        """Return the number of files of each suffix, the most common first."""
        return progress.names([f"{count:,} {suffix}" for suffix, count in self.suffixes.most_common()]) + " files"

    def said(self) -> list[str]:
        """Return sentences about what is passed over, none where everything is used."""
        sentences = []
        if self.suffixes:
            sentences.append(
                f"not used: {self.counted()} (images are read from {COMMON_SUFFIXES} and the like; "
                "convert what should be used)"
            )
        if self.runs:
            names = progress.names([progress.printable(name) for name in sorted(self.runs)])
            sentences.append(f"passed over {len(self.runs):,} directories that hold runs: {names}")
        return sentences


def is_run(entries: set[str]) -> bool:
    """Return whether a directory with these entries is the directory of a run, whose pictures are never data."""
    return len(entries & _RUN_FILES) >= 2


def runs_among(names: Iterable[str]) -> list[str]:
    """Return the directories of a zip that hold runs."""
    entries = collections.defaultdict(set)
    for name in names:
        parts = name.split("/")
        for depth in range(len(parts)):
            if parts[depth] in _RUN_FILES:
                entries["/".join(parts[:depth])].add(parts[depth])
    return [folder for folder, found in entries.items() if is_run(found)]


def check_not_a_run(path: Path, flag: str = "--config.data.dir") -> None:
    """Refuse a directory that is itself the directory of a run.

    Raises:
        UserError: it is one.
    """
    if path.is_dir() and is_run(set(os.listdir(path))):
        raise errors.UserError(f"{path} is the directory of a run, not of data: set {flag} to the images")


def is_hidden(name: str) -> bool:
    """Return whether a part of the path is hidden, or a leftover of macOS."""
    *folders, file = name.split("/")
    return file.startswith(".") or any(f == "__MACOSX" or (f.startswith(".") and f.strip(".")) for f in folders)
