"""The source "tfds:NAME": a data set of TensorFlow Datasets.

A prepared data set is read in place (`vae_jax.data.tfds_store`); others are downloaded and prepared with TensorFlow.
"""

import dataclasses
import importlib.util
import os
import re
import socket
import threading
import urllib.parse
import urllib.request
from pathlib import Path

from vae_jax import errors
from vae_jax.data import build, cache, dataset, holdout, images, progress
from vae_jax.data.tfds_store import TfdsStore

_PROBE_SECONDS = 3.0
_SPLITS = {"train": ("train",), "valid": ("validation", "valid", "val", "dev"), "test": ("test",)}


class Unavailable(errors.UserError):
    """The data set is not prepared, and cannot be prepared now."""


def load(name: str, data, recipe: images.Recipe, report: progress.Report | None = None) -> dataset.Dataset:
    """Return the data set NAME, which is name, name/config, name:version or name/config:version.

    Raises:
        UserError: the data set is unknown, unavailable or without images.
    """
    return load_prepared(name, find_or_prepare(name, data.dir), data, recipe, report)


def load_prepared(
    name: str, path: Path, data, recipe: images.Recipe, report: progress.Report | None = None
) -> dataset.Dataset:
    """Return the data set whose dataset_info.json lies in `path`."""
    store = TfdsStore(path)
    recipe = dataclasses.replace(recipe, enlarge=store.fixed_size)

    def plan() -> build.Plan:
        groups = {}
        for split, known_as in _SPLITS.items():
            own = next((n for n in known_as if n in store.sizes), None)
            if own:
                groups[split] = [f"{own}/{i}" for i in range(store.sizes[own])]
        if not groups.get("train"):
            raise errors.UserError(f"tfds:{name} has no split 'train', only {sorted(store.sizes)}")
        hold_out = "valid" not in groups
        if hold_out:
            groups["train"] = [groups["train"][i] for i in holdout.holdout_order(len(groups["train"]))]
        unused = sorted(store.sizes.keys() - {group[0].partition("/")[0] for group in groups.values() if group})
        said = [f"not used of tfds:{name}: the split {split} ({store.sizes[split]:,} images)" for split in unused]
        return build.Plan(
            store,
            groups,
            sum(size for _, size, _ in store.files()),
            labels=lambda: ({}, store.label_names),
            said=tuple(said),
            hold_out=hold_out,
            published=True,
        )

    return cache.fetch(data, f"tfds-{name}", [str(path), store.files()], recipe, plan, report)


def find_or_prepare(name: str, data_dir: str) -> Path:
    """Return the directory of a prepared data set, after preparing it where it is not prepared.

    Raises:
        Unavailable: it is not prepared, and there is no TensorFlow or no network, or its download fails.
    """
    own = [Path(data_dir).expanduser()] if data_dir else []
    default = Path(os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets")
    for root in [*own, default]:
        path = find(name, root)
        if path is not None:
            return path
    return _prepare(name, own[0] if own else default)


def find(name: str, root: Path) -> Path | None:
    """Return the newest prepared version of `name` below `root`, or `root` itself if that is a prepared data set."""
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
    """Return whether a connection to `host` (or to the proxy on the way) opens within seconds."""
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
