"""A data set that TensorFlow Datasets has prepared, as a store of encoded images, read without TensorFlow.

Both usual file formats of TFDS hold the same serialised examples, so only the reading of records differs between them.
Images reach `vae_jax.data.images` still encoded. `vae_jax.data.tfds` finds and prepares data sets.
"""

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

from vae_jax import errors
from vae_jax.data import images, stores


class TfdsStore:
    """The store of a prepared data set, whose images are named "split/position"."""

    def __init__(self, path: str | os.PathLike):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow_datasets as tfds

        self.spec = {"kind": "tfds", "path": str(Path(path).resolve())}
        try:
            self._info: Any = tfds.builder_from_directory(str(path)).info
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
        """Return the encoded image of "split/position", its label and its factors. See `stores.Store`."""
        split, _, position = name.partition("/")
        if split not in self._records:
            paths = [str(p) for p in self._info.splits[split].filepaths]
            self._records[split] = _RECORDS[self._info.file_format.value](paths)
        try:
            serialised = self._records[split][int(position)]
            example: Any = self._info.features.deserialize_example_np(serialised, decoders={self._image: self._skip})
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
