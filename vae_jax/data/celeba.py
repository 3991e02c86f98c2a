"""The source "celeba": CelebA from the official files or from Kaggle's, else from TFDS."""

from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import build, cache, celeba_lists, dataset, images, progress, stores

NUM_IMAGES = 202_599
_IMAGES = ("img_align_celeba", "img_align_celeba_png", "img_align_celeba.zip", "img_align_celeba_png.zip")
_PARTITION = ("list_eval_partition.txt", "list_eval_partition.csv", "list_eval_partition.txt.gz")
_ATTRIBUTES = ("list_attr_celeba.txt", "list_attr_celeba.txt.gz", "list_attr_celeba.csv")
# The official download keeps its files in three directories; torchvision keeps them in one named celeba.
_PLACES = ("", "celeba", "CelebA", "Img", "Eval", "Anno", "CelebA/Img", "CelebA/Eval", "CelebA/Anno", "archive")
_FILES = (
    "  img_align_celeba.zip        the aligned images, zipped or as a directory img_align_celeba/; any part will do",
    "  list_eval_partition.txt     the official splits",
    "  list_attr_celeba.txt        the 40 attributes, or its .gz; optional",
    "or name the directory that has them: --config.data.dir=DIR",
)


def load(data, recipe: images.Recipe, report: progress.Report | None = None) -> dataset.Dataset:
    """Return CelebA from the files in `data.dir`, else a TFDS celeb_a already prepared, else one that TFDS downloads.

    Raises:
        UserError: none of the three is there; the message lists the files to fetch.
    """
    folder = Path(data.dir).expanduser()
    store_path = _find(folder, *_IMAGES)
    if store_path is not None:
        return official(data, folder, store_path, recipe, report)
    if (folder / "img_celeba").is_dir():
        raise errors.UserError(
            f"{folder} has CelebA's images in the wild, which are not aligned: fetch img_align_celeba.zip, or train on "
            f"them with --config configs/folder.py --config.data.dir={folder / 'img_celeba'}"
        )
    from vae_jax.data import tfds

    try:
        path = tfds.find_or_prepare("celeb_a", data.dir)
    except tfds.Unavailable as reason:
        raise errors.UserError(
            f"CelebA is not in {folder.resolve()}, and {reason}. Put these files there, "
            "from mmlab.ie.cuhk.edu.hk/projects/CelebA.html:",
            *_FILES,
        ) from None
    return tfds.load_prepared("celeb_a", path, data, recipe, report)


def official(
    data, folder: Path, store_path: Path, recipe: images.Recipe, report: progress.Report | None = None
) -> dataset.Dataset:
    """Return the official splits; "label" is the 40 attributes as 0 or 1, [N, 40], where their list is there."""
    partition = _find(folder, *_PARTITION)
    if partition is None:
        raise errors.UserError(
            f"{folder} has CelebA's images but no list_eval_partition.txt (or .csv): put the list beside them, or "
            f"train without the official splits: --config configs/folder.py --config.data.dir={store_path}"
        )
    attributes = _find(folder, *_ATTRIBUTES)
    store = stores.open_path(store_path)
    identity = [store.identity(), *(stores.file_identity(path) for path in (partition, attributes) if path)]

    def plan() -> build.Plan:
        members = {celeba_lists.stem(member.name): member for member in store.members}
        groups = {"train": [], "valid": [], "test": []}
        for name, split in celeba_lists.read_partition(partition):
            if name in members:
                groups[split].append(name)
        found = [name for group in groups.values() for name in group]
        if not found:
            raise errors.UserError(f"{store_path} has none of the images that {partition.name} lists: fetch it anew")

        def labels() -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
            if attributes is None:
                return {}, ()
            names, values = celeba_lists.read_attributes(attributes, set(found))
            return {"label": np.stack([values[name] for name in found])}, names

        said = [f"CelebA: found {len(found):,} of {NUM_IMAGES:,} images in {store_path}"]
        if len(members) > len(found):
            unlisted = sorted(members[name].name for name in members.keys() - set(found))
            said.append(f"left out {len(unlisted):,} images that are not in the list: {progress.names(unlisted)}")
        return build.Plan(
            store,
            {split: [members[name].name for name in group] for split, group in groups.items()},
            sum(members[name].size for name in found),
            labels,
            tuple(said),
            published=True,
        )

    return cache.fetch(data, "celeba", identity, recipe, plan, report)


def _find(folder: Path, *names: str) -> Path | None:
    """Return the first of `names` in the places where CelebA's files are usually kept."""
    paths = (folder / place / name for name in names for place in _PLACES)
    return next((path for path in paths if path.exists()), None)
