"""The source "cifar": the batches of CIFAR-10 and CIFAR-100 as their site has them, without running pickled code.

The binary version and the Python version are read, as a directory or as the .tar.gz that it comes in. TFDS's copy of
CIFAR-10 is another source (`tfds:cifar10`).
"""

import io
import pickle
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import dataset, file_kinds, images, in_memory

_PIXELS = 3 * 32 * 32
_MAX_BYTES = 2**29  # the largest of the real files has 190 MB
_TRAIN = [f"data_batch_{number}" for number in range(1, 6)]

# (training files, test files, names of the classes, bytes of labels before each image, key of the labels)
_VERSIONS = {
    "CIFAR-10, Python": (_TRAIN, ["test_batch"], "batches.meta", None, "labels"),
    "CIFAR-10, binary": ([f"{name}.bin" for name in _TRAIN], ["test_batch.bin"], "batches.meta.txt", 1, ""),
    "CIFAR-100, Python": (["train"], ["test"], "meta", None, "fine_labels"),
    "CIFAR-100, binary": (["train.bin"], ["test.bin"], "fine_label_names.txt", 2, ""),
}


def cifar(data, recipe: images.Recipe) -> dataset.Dataset:
    """Return the data set in `data.dir`; CIFAR-100's labels are its fine ones.

    Raises:
        UserError: files are missing or damaged, or hold Python objects other than arrays and lists.
    """
    place = Path(data.dir).expanduser()
    files = dict(_files(place))
    for train, test, names, num_labels, key in _VERSIONS.values():
        if not set(train + test) <= files.keys():
            continue
        splits = {}
        for split, wanted in (("train", train), ("test", test)):
            parts = [_read(name, files[name], num_labels, key) for name in wanted]
            splits[split] = {k: np.concatenate([part[k] for part in parts]) for k in ("image", "label")}
        label_names = _class_names(names, files[names]) if names in files else ()
        return in_memory.finish("cifar", splits, data, recipe, label_names, published=True)
    raise errors.UserError(
        f"{place.resolve()} has no CIFAR batches: set --config.data.dir to the directory or .tar.gz with "
        "data_batch_1 ... data_batch_5 and test_batch (or their .bin), or CIFAR-100's train and test"
    )


def _files(place: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield the name of each file in a directory, one level down, or in a tar archive, and what reads it."""
    if place.is_dir():
        for path in sorted([*place.glob("*"), *place.glob("*/*")], reverse=True):
            if path.is_file() and path.stat().st_size <= _MAX_BYTES:
                yield path.name, path.read_bytes
    elif place.is_file() and file_kinds.kind_of(place) == "tar":
        try:
            with tarfile.open(place) as archive:
                contents = {
                    Path(member.name).name: file.read()
                    for member in archive
                    if member.size <= _MAX_BYTES and (file := archive.extractfile(member))  # None of a directory
                }
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            raise errors.UserError(f"{place} is damaged ({error}): fetch it anew") from None
        for name, content in contents.items():
            yield name, lambda content=content: content


def _read(name: str, read: Callable[[], bytes], num_labels: int | None, key: str) -> dict[str, np.ndarray]:
    """Return the images and labels of one batch."""
    content = read()
    try:
        if num_labels is not None:
            table = np.frombuffer(content, np.uint8).reshape(-1, num_labels + _PIXELS)
            pixels, label = table[:, num_labels:], table[:, num_labels - 1]
        else:
            batch = _unpickle(content)
            pixels, label = np.asarray(batch["data"]), np.asarray(batch[key], np.int64)
            if pixels.dtype != np.uint8 or len(label) != len(pixels):
                raise ValueError("data and labels do not belong together")
        image = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    except Exception as error:  # pickle raises errors of no closed list on damaged files
        raise errors.UserError(f"CIFAR's {name} is damaged ({error}): fetch it anew") from None
    return {"image": np.ascontiguousarray(image), "label": label.astype(np.int32)}


def _class_names(name: str, read: Callable[[], bytes]) -> tuple[str, ...]:
    content = read()
    if name.endswith(".txt"):
        return tuple(content.decode("ascii", "replace").split())
    try:
        meta = _unpickle(content)
        return tuple(str(text) for text in meta.get("label_names") or meta.get("fine_label_names") or ())
    except Exception as error:  # as in `_read`
        raise errors.UserError(f"CIFAR's {name} is damaged ({error}): fetch it anew") from None


class _Restricted(pickle.Unpickler):
    """An unpickler that makes arrays of bytes, and nothing else that is not plain data."""

    def find_class(self, module: str, name: str):
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _empty_array
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return _dtype
        if (module, name) == ("_codecs", "encode"):
            return _encode
        raise pickle.UnpicklingError(f"it holds {module}.{name}, which is not read")


def _empty_array(*_) -> np.ndarray:
    return np.ndarray((0,), np.uint8)


def _dtype(name, *_) -> np.dtype:
    if name not in ("u1", b"u1", "uint8"):
        raise pickle.UnpicklingError(f"it holds an array of {name}, not of bytes")
    return np.dtype(np.uint8)


def _encode(text: str, encoding: str) -> bytes:
    return text.encode("latin-1")  # how Python 3 pickles bytes for Python 2


def _unpickle(content: bytes) -> dict:
    """Return a pickled dict with its keys as text."""
    batch = _Restricted(io.BytesIO(content), encoding="bytes").load()
    return {_text(key): [_text(t) for t in v] if isinstance(v, list) else v for key, v in batch.items()}


def _text(value):
    return value.decode() if isinstance(value, bytes) else value
