"""The source "idx": the four files of MNIST and its kin (Fashion-MNIST, KMNIST, EMNIST), however they were unpacked."""

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import array_files, dataset, images, in_memory, progress

# train-images-idx3-ubyte.gz, t10k-labels.idx1-ubyte, emnist-letters-test-images-idx3-ubyte and so on.
_FILE = re.compile(
    r"(?P<prefix>.*?)(?P<split>train|t10k|test)[-_. ](?P<kind>images|labels)[-_. ]idx[13][-_. ]ubyte(?P<gz>\.gz)?",
    re.IGNORECASE,
)
_DEPTH = 4  # directories below `data.dir` in which files are looked for, such as MNIST/raw
_DIMENSIONS = {"images": 3, "labels": 1}

Files = dict[tuple[str, str], Path]  # (train or test, images or labels) -> the file


def idx(data, recipe: images.Recipe) -> dataset.Dataset:
    """Return the data set of the four files in or below `data.dir`; t10k is the test split.

    Raises:
        UserError: a file is missing or damaged, or there are the files of several data sets.
    """
    folder, prefix, files = _find(Path(data.dir).expanduser())
    splits = {}
    for name in ("train", "test"):
        image_file, label_file = files[name, "images"], files[name, "labels"]
        image, label = read_idx(image_file), read_idx(label_file)
        if image.ndim != 3 or label.shape != image.shape[:1]:
            raise errors.UserError(f"{image_file} and {label_file.name} do not belong together")
        splits[name] = {"image": image[..., None], "label": label.astype(np.int32)}
    label_names = ()
    if prefix.lower().startswith("emnist"):
        progress.say("EMNIST's files hold each image transposed; the images are turned upright")
        splits = {name: {**split, "image": split["image"].swapaxes(1, 2)} for name, split in splits.items()}
        label_names = _read_mapping(folder / f"{prefix}mapping.txt")
    return in_memory.finish("idx", splits, data, recipe, label_names, published=True)


def _find(place: Path) -> tuple[Path, str, Files]:
    """Return the directory, the prefix and the paths of the four files that `place` means.

    `place` is a directory, or the beginning of the names in one, such as raw/emnist-letters.
    """
    if place.is_dir():
        folder, start, sets = place, "", _sets_below(place, _DEPTH)
    else:  # a prefix of the files' names, which are looked for in the one directory that is named
        folder, start = place.parent, place.name.lower()
        sets = _sets_below(folder, 0) if folder.is_dir() else {}
    sets = {key: files for key, files in sets.items() if key[1].lower().startswith(start.rstrip("-_. "))}
    whole = {key: files for key, files in sets.items() if len(files) == 4}
    here = {key: files for key, files in whole.items() if key[0] == folder}
    whole = here or whole
    if len(whole) > 1:
        shown = progress.names([str((at / prefix).relative_to(folder)).rstrip("-_. ") for at, prefix in sorted(whole)])
        raise errors.UserError(f"{folder} holds several data sets: set --config.data.dir to one, {folder}/[{shown}]")
    if not whole:
        at, prefix = max(sets, key=lambda key: len(sets[key]), default=(folder, ""))
        there = sets.get((at, prefix), {})
        missing = [
            f"{prefix}{'t10k' if name == 'test' and not prefix else name}-{kind}-idx{number}-ubyte.gz"
            for name in ("train", "test")
            for kind, number in _DIMENSIONS.items()
            if (name, kind) not in there
        ]
        where = (at if sets else place).resolve()
        raise errors.UserError(
            f"{where} lacks {', '.join(missing)}: set --config.data.dir to the directory of the four files"
        )
    ((folder, prefix), files) = whole.popitem()
    return folder, prefix, files


def _sets_below(folder: Path, deepest: int) -> dict[tuple[Path, str], Files]:
    """Return {(directory, prefix): files} of everything that is named as an idx file, down to a depth."""
    sets: dict[tuple[Path, str], Files] = {}
    for depth in range(deepest + 1):
        for path in sorted(folder.glob("/".join(["*"] * (depth + 1)))):
            match = _FILE.fullmatch(path.name)
            if not match or not path.is_file():
                continue
            # Some unpackers put each file into a directory of its own name.
            at = path.parent.parent if _FILE.fullmatch(path.parent.name) else path.parent
            name = "train" if match["split"].lower() == "train" else "test"
            files = sets.setdefault((at, match["prefix"]), {})
            key = (name, match["kind"].lower())
            if key not in files or match["gz"]:
                files[key] = path
    return sets


def _read_mapping(path: Path) -> tuple[str, ...]:
    """Return the character of each class from EMNIST's mapping, lines "CLASS CODE ..."; () without the file."""
    try:
        rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
        names = {int(row[0]): chr(int(row[1])) for row in rows}
    except (OSError, ValueError, IndexError):
        return ()
    return tuple(names.get(number, "none") for number in range(max(names, default=-1) + 1))


def read_idx(path: Path) -> np.ndarray:
    """Return the array of an idx file of unsigned bytes, gzipped or not.

    Raises:
        UserError: the file is damaged, of another type, or of another length than its header says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            magic = file.read(4)
            if len(magic) < 4 or magic[:3] != b"\0\0\x08" or not 1 <= magic[3] <= 4:
                raise errors.UserError(f"{path} is not an idx file of unsigned bytes: fetch it anew")
            shape = tuple(int(n) for n in np.frombuffer(file.read(4 * magic[3]), ">u4"))
            size = math.prod(shape)
            array_files.check_memory(path, size)
            raw = file.read(size + 1)  # one more than there should be
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise errors.UserError(f"{path} is damaged ({error}): fetch it anew") from None
    if len(shape) != magic[3] or len(raw) != size:
        raise errors.UserError(f"{path} is damaged (not the length its header says): fetch it anew")
    return np.frombuffer(raw, np.uint8).reshape(shape)
