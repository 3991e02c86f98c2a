"""Sources that are arrays already: scikit-learn's digits, MNIST's idx files, npz files."""

import gzip
import importlib.util
import io
import math
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import dataset, images

_IDX_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_SPLIT_NAMES = {"0": "train", "1": "valid", "2": "test", "val": "valid", "validation": "valid"}
_KEYS = {"images": "image", "label": "label", "factors": "factors"}


def digits(data, recipe: images.Recipe) -> dataset.Dataset:
    """scikit-learn's 1,797 digits, 8 x 8 x 1; 0..16 is scaled to 0..255. No test split."""
    table = _digits_table()
    split = {
        "image": np.round(table[:, :-1].reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8),
        "label": table[:, -1].astype(np.int32),
    }
    return _finish("digits", {"train": split}, data, recipe, tuple("0123456789"))


def _digits_table() -> np.ndarray:
    """The pixels and the label of each digit, [1797, 65], from scikit-learn's file.

    Its package is not imported for it if that can be helped: that takes longer than all else before a first step.
    """
    package = importlib.util.find_spec("sklearn")
    path = Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    if path.is_file():
        with gzip.open(path, "rt") as file:
            return np.loadtxt(file, delimiter=",")
    from sklearn import datasets

    return np.column_stack(datasets.load_digits(return_X_y=True))


def idx(data, recipe: images.Recipe) -> dataset.Dataset:
    """The four files of MNIST and its kin in `data.dir`, gzipped or not; t10k is the test split."""
    folder = Path(data.dir).expanduser()
    missing = [f for pair in _IDX_FILES.values() for f in pair if _idx_path(folder, f) is None]
    if missing:
        raise errors.UserError(
            f"{folder.resolve()} lacks {', '.join(missing)}: set --config.data.dir to the directory of the four files"
        )
    splits = {}
    for name, (image_file, label_file) in _IDX_FILES.items():
        image, label = (read_idx(_idx_path(folder, file)) for file in (image_file, label_file))
        if image.ndim != 3 or label.shape != image.shape[:1]:
            raise errors.UserError(f"{folder / image_file} and {label_file} do not belong together")
        splits[name] = {"image": image[..., None], "label": label.astype(np.int32)}
    return _finish("idx", splits, data, recipe)


def _idx_path(folder: Path, file: str) -> Path | None:
    return next((p for p in (folder / file, folder / file.removesuffix(".gz")) if p.is_file()), None)


def read_idx(path: Path) -> np.ndarray:
    """Read an idx file of unsigned bytes.

    Raises:
        UserError: damaged, of another type, or of another length than its header says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            magic = file.read(4)
            if len(magic) < 4 or magic[:3] != b"\0\0\x08" or not 1 <= magic[3] <= 4:
                raise errors.UserError(f"{path} is not an idx file of unsigned bytes: fetch it anew")
            shape = tuple(int(n) for n in np.frombuffer(file.read(4 * magic[3]), ">u4"))
            size = math.prod(shape)
            _check_memory(path, size)
            raw = file.read(size + 1)  # one more than there should be
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise errors.UserError(f"{path} is damaged ({error}): fetch it anew") from None
    if len(shape) != magic[3] or len(raw) != size:
        raise errors.UserError(f"{path} is damaged (not the length its header says): fetch it anew")
    return np.frombuffer(raw, np.uint8).reshape(shape)


def npz(data, recipe: images.Recipe) -> dataset.Dataset:
    """`data.dir` is an .npz file, or a directory with train.npz and maybe valid.npz and test.npz.

    Keys: `images` uint8 or bool [N, H, W] or [N, H, W, C], and maybe `label` int [N] or [N, A] and `factors`
    [N, F]. One file holds several splits as `train_images`, `valid_images`, ... (and so on for the others), or by
    a key `split` [N] of names or of 0, 1, 2 for train, valid, test.
    """
    path = Path(data.dir).expanduser()
    if path.is_file():
        splits = _split_npz(path, _read_npz(path))
    elif (path / "train.npz").is_file():
        files = {name: path / f"{name}.npz" for name in ("train", "valid", "test")}
        splits = {name: _as_split(file, _read_npz(file)) for name, file in files.items() if file.is_file()}
    else:
        raise errors.UserError(
            f"{path.resolve()} is no .npz file, nor a directory with a train.npz: set --config.data.dir"
        )
    return _finish(path.stem, splits, data, recipe)


def _split_npz(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, dataset.Split]:
    if "images" not in arrays:
        splits = {}
        for name in ("train", "valid", "test"):
            own = {key: arrays[f"{name}_{key}"] for key in _KEYS if f"{name}_{key}" in arrays}
            if own:
                splits[name] = _as_split(path, own, f"{name}_")
        if not splits:
            raise errors.UserError(f"{path} has no key 'images' (nor 'train_images'), only {sorted(arrays)[:8]}")
        return splits
    split = _as_split(path, arrays)
    if "split" not in arrays:
        return {"train": split}
    codes = np.array([_SPLIT_NAMES.get(code, code) for code in arrays["split"].astype(str).ravel()])
    unknown = set(codes.tolist()) - {"train", "valid", "test"}
    if len(codes) != len(split["image"]) or unknown:
        raise errors.UserError(f"{path}: 'split' must say train, valid or test (0, 1, 2) of every image")
    return {name: {k: v[codes == name] for k, v in split.items()} for name in ("train", "valid", "test")}


def _as_split(path: Path, arrays: dict[str, np.ndarray], prefix: str = "") -> dataset.Split:
    """Check one split's arrays and bring the images to uint8 [N, H, W, C]."""
    if "images" not in arrays:
        raise errors.UserError(f"{path} has no key '{prefix}images'")
    split = {_KEYS[key]: array for key, array in arrays.items() if key in _KEYS}
    image = split["image"]
    if image.dtype == np.bool_:
        image = image.astype(np.uint8) * np.uint8(255)
    if image.dtype != np.uint8 or image.ndim not in (3, 4) or 0 in image.shape[1:]:
        raise errors.UserError(
            f"{path}: '{prefix}images' must be uint8 (or bool) [N, H, W] or [N, H, W, C], "
            f"not {image.dtype} {list(image.shape)}"
        )
    split["image"] = image if image.ndim == 4 else image[..., None]
    for key, array in split.items():
        if array.ndim == 0 or len(array) != len(image) or array.dtype.kind not in "biuf":
            raise errors.UserError(f"{path}: '{prefix}{key}' must have one row of numbers for each image")
    if "label" in split:
        if split["label"].dtype.kind == "f":
            raise errors.UserError(f"{path}: '{prefix}label' must be integers; call other numbers 'factors'")
        split["label"] = split["label"].astype(np.int32)
    return split


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz that mean something to us, never unpickled, never larger than the file says."""
    wanted = {f"{name}{key}" for name in ("", "train_", "valid_", "test_") for key in (*_KEYS, "split")}
    try:
        with zipfile.ZipFile(path) as archive:
            members = {i.filename.removesuffix(".npy"): i for i in archive.infolist()}
            if not wanted & set(members):
                return {name: np.empty(0) for name in members}
            _check_memory(path, sum(i.file_size for name, i in members.items() if name in wanted))
            return {n: _read_npy(archive.open(i), i.file_size) for n, i in members.items() if n in wanted}
    except errors.UserError:
        raise
    except Exception as error:  # zipfile and numpy raise what they like on hostile headers
        raise errors.UserError(f"{path} is not a readable .npz file ({error}): make or fetch it anew") from None


def _read_npy(file: io.BufferedIOBase, size: int) -> np.ndarray:
    """Read one array, after comparing its header with the `size` bytes that are there."""
    with file:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read:
            raise ValueError(f"npy format {version}")
        shape, fortran, dtype = read[version](file)
        if dtype.hasobject:
            raise ValueError("it holds Python objects")
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != size - file.tell():
            raise ValueError(f"shape {shape} does not fit its {size:,} bytes")
        array = np.frombuffer(file.read(), dtype)
        return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _check_memory(path: Path, num_bytes: int) -> None:
    """Refuse what cannot fit this machine before allocating it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 2**36
    if num_bytes > memory:
        raise errors.UserError(
            f"{path} unfolds to {num_bytes / 1e9:,.0f} GB and this machine has {memory / 1e9:,.0f}: "
            "make it smaller, or store the images as files (--config.data.source=folder)"
        )


def _finish(name: str, splits: dict, data, recipe: images.Recipe, label_names: tuple[str, ...] = ()) -> dataset.Dataset:
    """Fit the images and hold out a validation split if there is none."""
    splits = {key: {**split, "image": images.fit_array(split["image"], recipe)} for key, split in splits.items()}
    if "train" in splits and "valid" not in splits:
        splits["train"], splits["valid"] = dataset.hold_out(splits["train"], data.valid_fraction)
    return dataset.make_dataset(name, splits, label_names)
