"""The source "npz": arrays in an .npz, .npy or HDF5 file, or in a directory of such files.

Files are read in `vae_jax.data.array_files` and names understood in `vae_jax.data.array_names`; here the arrays are
checked against each other and brought to uint8 [N, H, W, C].
"""

import math
from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import array_files, array_names, axes, dataset, images, in_memory, layout, progress, value_range

_CODES = {"0": "train", "1": "valid", "2": "test"}


def npz(data, recipe: images.Recipe) -> dataset.Dataset:
    """Return the arrays of `data.dir`: a file, or a directory of files such as train.npz or x_train.npy.

    Images are uint8 or bool [N, H, W] or [N, H, W, C], or other numbers with `data.value_range`, or other axes with
    `data.axes`. Labels are classes [N] or attributes [N, A], as integers or as text, and factors [N, F]. Usual names
    are understood (docs/data.md), and every array that is not used is named. Splits are told by names, or by an array
    `split` [N] of names or of 0, 1, 2 for train, valid, test.

    Raises:
        UserError: there are no images, or arrays that do not belong together or are of another kind.
    """
    path = Path(data.dir).expanduser()
    meaning = _list_arrays(path)
    if meaning.unused:
        listed = progress.names([progress.printable(entry.describe()) for entry in meaning.unused])
        progress.say(f"not used of {path.name}: {listed}")
    raw = {name: _read_split(path, roles, data) for name, roles in meaning.splits.items()}
    label_names = () if meaning.label_names is None else _texts(meaning.label_names)
    raw, found_names = _number_classes(path, raw)
    wanted_range = tuple(data.value_range) or ((0.0, 1.0) if _is_dsprites(meaning) else ())
    splits = {}
    for name, arrays in raw.items():
        splits |= _to_splits(path, name, arrays, data, wanted_range)
    return in_memory.finish(path.stem, splits, data, recipe, found_names or label_names)


def read_images(path: Path, data) -> np.ndarray:
    """Return all images of an array file as uint8 [N, H, W, C], the splits one after the other.

    Raises:
        UserError: as `npz`.
    """
    meaning = _list_arrays(path)
    entries = [roles["image"] for roles in meaning.splits.values() if "image" in roles]
    arrays = [axes.to_nhwc(e.describe(), a, data) for e, a in zip(entries, array_files.read_all(entries), strict=True)]
    wanted = tuple(data.value_range)
    return np.concatenate([value_range.to_uint8(e.key, a, wanted) for e, a in zip(entries, arrays, strict=True)])


def _list_arrays(path: Path) -> array_names.Meaning:
    """Return the meaning of the arrays in a file or a directory."""
    several = False
    files = [path] if path.is_file() else []
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix.lower() in array_files.SUFFIXES)
        files = found if len(found) == 1 else [file for file in found if array_names.is_named(file)]
        several = len(found) > 1
        others = [progress.printable(file.name) for file in found if file not in files]
        if files and others:
            progress.say(f"not used: {progress.names(others)} (their names say no split and no kind of array)")
    if not files:
        raise errors.UserError(
            f"{path.resolve()} is no .npz file, nor a directory with a train.npz: set --config.data.dir"
        )
    entries = [entry for file in files for entry in array_files.entries(file)]
    meaning = array_names.meaning_of(entries, by_file=several)
    without = [name for name, roles in meaning.splits.items() if "image" not in roles]
    for name in without:
        meaning.unused.extend(meaning.splits.pop(name).values())
    if not meaning.splits:
        known = sorted(progress.printable(entry.key) for entry in entries)[:8]
        raise errors.UserError(f"{path} has no key 'images' (nor 'train_images'), only {known}")
    return meaning


def _is_dsprites(meaning: array_names.Meaning) -> bool:
    """Return whether these are dSprites' arrays, whose pixels are 0 and 1."""
    factors = [roles["factors"].key for roles in meaning.splits.values() if "factors" in roles]
    return any(key.replace("/", "_") == "latents_classes" for key in factors)


def _read_split(path: Path, roles: dict[str, array_files.Entry], data) -> dict[str, np.ndarray]:
    """Read the arrays of one split and check that each has a row for every image."""
    arrays = dict(zip(roles, array_files.read_all(list(roles.values())), strict=True))
    num_images = axes.num_images(arrays["image"], data)
    for role, array in list(arrays.items()):
        if role == "image":
            continue
        if array.ndim == 0 or len(array) != num_images or array.dtype.kind not in "biufUS":
            key = roles[role].key
            if role == "split":
                raise errors.UserError(f"{path}: '{key}' must say train, valid or test (0, 1, 2) of every image")
            raise errors.UserError(f"{path}: '{key}' must have one row of numbers for each image")
        if role == "label":
            arrays |= _as_label_or_factors(path, roles[role].key, array, "factors" in arrays)
    if "label" in arrays and arrays["label"].dtype.kind == "f":
        del arrays["label"]  # taken as factors
    return arrays


def _as_label_or_factors(path: Path, key: str, array: np.ndarray, has_factors: bool) -> dict[str, np.ndarray]:
    """Return {"label": classes [N] or attributes [N, A]}, or {"factors": ...} for a table of other numbers."""
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.dtype.kind != "f":
        return {"label": array}
    if array.ndim == 2 and not has_factors:
        progress.say(f"'{key}' {list(array.shape)} holds numbers that are no classes: taken as factors")
        return {"label": array, "factors": array}
    if not np.isfinite(array).all() or (array != np.rint(array)).any():
        raise errors.UserError(f"{path}: '{key}' must be integers; call other numbers 'factors'")
    return {"label": array.astype(np.int64)}


def _number_classes(path: Path, raw: dict[str, dict]) -> tuple[dict[str, dict], tuple[str, ...]]:
    """Replace labels that are text by numbers, the classes of all splits in order of name."""
    texts = [arrays["label"] for arrays in raw.values() if "label" in arrays and arrays["label"].dtype.kind in "US"]
    if not texts:
        return raw, ()
    if any("label" in arrays and arrays["label"].dtype.kind not in "US" for arrays in raw.values()):
        raise errors.UserError(f"{path}: the labels of one split are text and of another numbers; use one kind")
    names = np.unique(np.concatenate([text.astype(str).ravel() for text in texts]))
    numbered = {
        split: arrays | ({"label": np.searchsorted(names, arrays["label"].astype(str))} if "label" in arrays else {})
        for split, arrays in raw.items()
    }
    return numbered, tuple(names.tolist())


def _texts(entry: array_files.Entry) -> tuple[str, ...]:
    """Return the strings of an array; none where they are Python objects, which are never read."""
    if entry.dtype.hasobject:
        progress.say(f"not used: {entry.describe()}")
        return ()
    return tuple(str(text) for text in array_files.read_all([entry])[0].astype(str).ravel())


def _to_splits(path: Path, name: str, arrays: dict, data, wanted_range: tuple[float, ...]) -> dict[str, dataset.Split]:
    """Bring the images of one split to uint8 [N, H, W, C], and divide them by an array "split" if there is one."""
    what = f"{path}: the array of {name} images"
    num_images = axes.num_images(arrays["image"], data)
    image = axes.to_nhwc(what, arrays["image"], data)
    split = {key: values for key, values in arrays.items() if key not in ("image", "split")}
    repeats = len(image) // num_images if num_images else 1
    if repeats > 1:  # several frames of each
        split = {key: np.repeat(values, repeats, axis=0) for key, values in split.items()}
    names = np.char.add(f"{name}/", np.arange(num_images).astype(str)) if num_images else np.zeros(0, "U1")
    split |= {"image": value_range.to_uint8(what, image, wanted_range), "name": np.repeat(names, repeats)}
    if "split" not in arrays:
        return {name: split}
    codes = np.repeat(_split_codes(path, arrays["split"]), repeats)
    return {part: {key: values[codes == part] for key, values in split.items()} for part in dataset.SPLITS}


def _split_codes(path: Path, array: np.ndarray) -> np.ndarray:
    words = {word: _CODES.get(word) or layout.split_named(word) for word in np.unique(array.astype(str)).tolist()}
    if array.size != math.prod(array.shape[:1]) or None in words.values():
        raise errors.UserError(f"{path}: 'split' must say train, valid or test (0, 1, 2) of every image")
    return np.array([words[word] for word in array.astype(str).ravel()])
