"""CelebA from the official files, else from TFDS."""

import gzip
import zlib
from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import cache, dataset, images, progress, stores

NUM_IMAGES = 202_599
_SPLITS = {"0": "train", "1": "valid", "2": "test"}
# The official download keeps its files in three directories; torchvision keeps them in one named celeba.
_PLACES = ("", "celeba", "Img", "Eval", "Anno")
_FILES = (
    "  img_align_celeba.zip        the aligned images, zipped or as a directory img_align_celeba/; any part will do",
    "  list_eval_partition.txt     the official splits",
    "  list_attr_celeba.txt        the 40 attributes, or its .gz; optional",
    "or name the directory that has them: --config.data.dir=DIR",
)


def load(data, recipe: images.Recipe, report: progress.Report | None = None) -> dataset.Dataset:
    """The official files in `data.dir`, else a TFDS celeb_a already prepared, else one that TFDS downloads.

    Raises:
        UserError: none of the three, with the files to fetch.
    """
    folder = Path(data.dir).expanduser()
    store_path = _find(folder, "img_align_celeba", "img_align_celeba.zip")
    if store_path is not None:
        return official(data, folder, store_path, recipe, report)
    from vae_jax.data import stock

    try:
        path = stock.find_or_prepare("celeb_a", data.dir)
    except stock.Unavailable as reason:
        raise errors.UserError(
            f"CelebA is not in {folder.resolve()}, and {reason}. Put these files there, "
            "from mmlab.ie.cuhk.edu.hk/projects/CelebA.html:",
            *_FILES,
        ) from None
    return stock.load_prepared("celeb_a", path, data, recipe, report)


def official(
    data, folder: Path, store_path: Path, recipe: images.Recipe, report: progress.Report | None = None
) -> dataset.Dataset:
    """Official splits; "label" is the 40 attributes as 0 or 1, [N, 40], where their list is there."""
    partition = _find(folder, "list_eval_partition.txt")
    if partition is None:
        raise errors.UserError(f"{folder} has CelebA's images but no list_eval_partition.txt: put it beside them")
    attributes = _find(folder, "list_attr_celeba.txt", "list_attr_celeba.txt.gz")
    store = stores.open_path(store_path)
    identity = [store.identity(), *(stores.file_identity(path) for path in (partition, attributes) if path)]

    def plan() -> cache.Plan:
        members = {member.name.rpartition("/")[2]: member for member in store.members}
        groups = {split: [] for split in _SPLITS.values()}
        for file, split in read_partition(partition):
            if file in members:
                groups[split].append(file)
        files = [file for group in groups.values() for file in group]
        if not files:
            raise errors.UserError(f"{store_path} has none of the images that {partition.name} lists: fetch it anew")

        def labels() -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
            if attributes is None:
                return {}, ()
            names, values = read_attributes(attributes, set(files))
            return {"label": np.stack([values[file] for file in files])}, names

        return cache.Plan(
            store,
            {split: [members[file].name for file in group] for split, group in groups.items()},
            sum(members[file].size for file in files),
            labels=labels,
            found=f"CelebA: found {len(files):,} of {NUM_IMAGES:,} images in {store_path}",
        )

    return cache.fetch(data, "celeba", identity, recipe, plan, report)


def _find(folder: Path, *names: str) -> Path | None:
    """The first of `names` in the places where the official files are usually kept."""
    paths = (folder / place / name for name in names for place in _PLACES)
    return next((path for path in paths if path.exists()), None)


def read_partition(path: Path) -> list[tuple[str, str]]:
    """(file, split) of every line "NNNNNN.jpg 0|1|2".

    Raises:
        UserError: a line that is not so.
    """
    rows = []
    for number, line in enumerate(_read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        fields = line.split()
        if len(fields) != 2 or fields[1] not in _SPLITS:
            raise errors.UserError(f"{path}, line {number}: expected 'NNNNNN.jpg 0|1|2', fetch the list anew")
        rows.append((fields[0], _SPLITS[fields[1]]))
    return rows


def read_attributes(path: Path, wanted: set[str]) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """The attributes' names, and the uint8 0/1 row of every file in `wanted`.

    Line 1 is a count, line 2 the names, then "NNNNNN.jpg" and a -1 or 1 for each name.

    Raises:
        UserError: a line that is not so, or a wanted file without a line.
    """
    lines = _read_text(path).splitlines()
    names = tuple(lines[1].split()) if len(lines) > 1 else ()
    values = {}
    for number, line in enumerate(lines[2:], 3):
        file, _, flags = line.partition(" ")
        if file not in wanted:
            continue
        flags = flags.split()
        if len(flags) != len(names) or not set(flags) <= {"-1", "1"}:
            raise errors.UserError(
                f"{path}, line {number}: expected {len(names)} values of -1 or 1, fetch the list anew"
            )
        values[file] = np.array([flag == "1" for flag in flags], np.uint8)
    if len(values) < len(wanted):
        raise errors.UserError(f"{path} lacks {min(wanted - values.keys())}: fetch the list anew, or take it away")
    return names, values


def _read_text(path: Path) -> str:
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as file:
            return file.read()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise errors.UserError(f"{path} cannot be read ({error}): fetch the list anew") from None
