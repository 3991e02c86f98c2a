"""TFDS image data sets: prepared ones are read without TensorFlow, others downloaded and prepared with it.

Both of TFDS's usual file formats hold the same serialised examples, so only the record layer differs here, and
images reach our own decoder still encoded.
"""

import importlib.util
import os
import re
import socket
import struct
import threading
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import cache, dataset, images, progress, stores

_PROBE_SECONDS = 3.0
_SPLITS = {"train": ("train",), "valid": ("validation", "valid", "val", "dev"), "test": ("test",)}


class Unavailable(errors.UserError):
    """The data set is not prepared, and cannot be now."""


def load(name: str, data, recipe: images.Recipe, report: progress.Report | None = None) -> dataset.Dataset:
    """`tfds:NAME`, NAME being name, name/config, name:version or name/config:version.

    Raises:
        UserError: unknown, unavailable or without images.
    """
    return load_prepared(name, find_or_prepare(name, data.dir), data, recipe, report)


def load_prepared(
    name: str, path: Path, data, recipe: images.Recipe, report: progress.Report | None = None
) -> dataset.Dataset:
    """The data set whose dataset_info.json lies in `path`."""
    store = Prepared(path)
    recipe = images.Recipe(recipe.crop, recipe.size, enlarge=store.fixed_size)

    def plan() -> cache.Plan:
        groups = {}
        for split, known_as in _SPLITS.items():
            own = next((n for n in known_as if n in store.sizes), None)
            if own:
                groups[split] = [f"{own}/{i}" for i in range(store.sizes[own])]
        if not groups.get("train"):
            raise errors.UserError(f"tfds:{name} has no split 'train', only {sorted(store.sizes)}")
        hold_out = "valid" not in groups
        if hold_out:
            groups["train"] = [groups["train"][i] for i in dataset.holdout_order(len(groups["train"]))]
        return cache.Plan(
            store,
            groups,
            sum(size for _, size, _ in store.files()),
            labels=lambda: ({}, store.label_names),
            hold_out=hold_out,
        )

    return cache.fetch(data, f"tfds-{name}", [str(path), store.files()], recipe, plan, report)


def find_or_prepare(name: str, data_dir: str) -> Path:
    """The directory of a prepared data set, preparing it if need be.

    Raises:
        Unavailable: not there, and no TensorFlow, no network, or a failed download.
    """
    own = [Path(data_dir).expanduser()] if data_dir else []
    default = Path(os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets")
    for root in [*own, default]:
        path = find(name, root)
        if path is not None:
            return path
    return _prepare(name, own[0] if own else default)


def find(name: str, root: Path) -> Path | None:
    """The newest prepared version of `name` below `root`, or `root` itself if it is one."""
    if (root / "dataset_info.json").is_file():
        return root
    name, _, version = name.partition(":")
    folder = root / name
    found = [p.parent for depth in ("*", "*/*") for p in folder.glob(f"{depth}/dataset_info.json")]
    found = [p for p in found if "incomplete" not in p.name and (not version or p.name == version)]
    return max(found, key=lambda p: [int(n) for n in re.findall(r"\d+", p.name)], default=None)


def _prepare(name: str, root: Path) -> Path:
    if importlib.util.find_spec("tensorflow") is None:
        raise Unavailable(
            f"tfds:{name} is not prepared in {root} and preparing it needs TensorFlow: pip install -e '.[tfds]'"
        )
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=root, file_format="array_record", try_gcs=False)
    except tfds.core.DatasetNotFoundError:
        raise errors.UserError(f"TFDS knows no data set {name!r}: see tensorflow.org/datasets/catalog") from None
    manual = root / "downloads" / "manual"
    host = "drive.google.com" if builder.name == "celeb_a" else "storage.googleapis.com"
    if not (manual.is_dir() and any(manual.iterdir())) and not answers(host):
        raise Unavailable(f"tfds:{name} is not prepared in {root} and {host} does not answer, so TFDS cannot fetch it")
    progress.say(f"TFDS prepares {name} in {root}")
    # Archives are unpacked under their own name alone: MNIST's and Fashion-MNIST's must not share a directory.
    config = tfds.download.DownloadConfig(
        manual_dir=manual, extract_dir=root / "downloads" / f"extracted_{builder.name}"
    )
    try:
        builder.download_and_prepare(download_config=config)
    except Exception as error:  # of any kind: network, checksums, a missing package of that data set
        first = (str(error).splitlines() or [""])[0]
        raise Unavailable(f"TFDS could not prepare {name} in {root} ({type(error).__name__}: {first[:200]})") from error
    return Path(builder.data_dir)


def answers(host: str, port: int = 443) -> bool:
    """Whether a connection to `host` (or to the proxy on the way) opens within seconds."""
    proxy = urllib.request.getproxies().get("https")
    if proxy and not urllib.request.proxy_bypass(host):
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
        host, port = parts.hostname or host, parts.port or port
    opened = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=_PROBE_SECONDS).close()
            opened.set()
        except OSError:
            pass

    # In a thread, because no timeout bounds the resolution of names.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_PROBE_SECONDS + 1.0)
    return opened.is_set()


class Prepared:
    """A prepared data set as a store of encoded images, named "split/position"."""

    def __init__(self, path: str | os.PathLike):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow_datasets as tfds

        self.spec = {"kind": "tfds", "path": str(Path(path).resolve())}
        try:
            self._info = tfds.builder_from_directory(str(path)).info
        except Exception as error:
            first = (str(error).splitlines() or [""])[0]
            raise errors.UserError(f"{path} is not a readable TFDS data set ({first}): prepare it anew") from None
        self._skip = tfds.decode.SkipDecoding()
        self._records = {}
        self.sizes = {name: split.num_examples for name, split in self._info.splits.items()}
        if self._info.file_format.value not in _RECORDS:
            # parquet, for one: TFDS loses records of shards with more than 100 examples.
            raise errors.UserError(
                f"{path} is in the format {self._info.file_format.value}: prepare it as array_record or tfrecord"
            )
        features = dict(self._info.features.items())
        pictures = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
        if not pictures:
            raise errors.UserError(f"tfds:{self._info.name} has no image feature, only {sorted(features)}")
        self._image = "image" if "image" in pictures else pictures[0]
        self.fixed_size = None not in features[self._image].shape[:2]
        self._label, self.label_names = None, ()
        if isinstance(features.get("label"), tfds.features.ClassLabel):
            self._label, self.label_names = "label", tuple(features["label"].names or ())
        elif isinstance(features.get("attributes"), tfds.features.FeaturesDict):
            # TFDS restores their order at random; the official list is sorted.
            self._label, self.label_names = "attributes", tuple(sorted(features["attributes"]))
        self._factors = (
            ["factors"]
            if "factors" in features
            else sorted(
                key
                for key in features
                if key.startswith("label_")  # dsprites, shapes3d
            )
        )

    def files(self) -> list:
        """[name, bytes, modification time] of every file."""
        return [stores.file_identity(p) for p in sorted(Path(self.spec["path"]).iterdir()) if p.is_file()]

    def read(self, name: str) -> tuple[bytes, dict]:
        split, _, position = name.partition("/")
        if split not in self._records:
            paths = [str(p) for p in self._info.splits[split].filepaths]
            self._records[split] = _RECORDS[self._info.file_format.value](paths)
        try:
            serialised = self._records[split][int(position)]
            example = self._info.features.deserialize_example_np(serialised, decoders={self._image: self._skip})
        except Exception as error:
            raise images.Unusable(f"unreadable: {type(error).__name__}") from None
        notes = {}
        if self._label == "label":
            notes["label"] = int(example["label"])
        elif self._label:
            notes["label"] = [int(example["attributes"][key]) for key in self.label_names]
        if self._factors:
            notes["factors"] = np.concatenate([np.ravel(example[key]) for key in self._factors]).tolist()
        return example[self._image], notes


class _TFRecords:
    """Random access to TFRecord shards: uint64 length, uint32 checksum, bytes, uint32 checksum."""

    def __init__(self, paths: list[str]):
        self._files = [open(path, "rb") for path in paths]
        self._index = []  # (shard, offset, length)
        for shard, file in enumerate(self._files):
            end, offset = os.fstat(file.fileno()).st_size, 0
            while offset + 12 <= end:
                file.seek(offset)
                (length,) = struct.unpack("<Q", file.read(8))
                self._index.append((shard, offset + 12, length))
                offset += length + 16

    def __getitem__(self, position: int) -> bytes:
        shard, offset, length = self._index[position]
        file = self._files[shard]
        file.seek(offset)
        if offset + length > os.fstat(file.fileno()).st_size:
            raise EOFError("a record runs past the end of its shard")
        return file.read(length)


def _array_records(paths: list[str]):
    from array_record.python import array_record_data_source

    return array_record_data_source.ArrayRecordDataSource(paths)


_RECORDS = {"array_record": _array_records, "tfrecord": _TFRecords}
