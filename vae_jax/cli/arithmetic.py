"""--mode arithmetic."""

from typing import NamedTuple

import numpy as np

from vae_jax import errors
from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Options
from vae_jax.data import dataset
from vae_jax.distributions import Gaussian
from vae_jax.inference import codes, sampling
from vae_jax.report import pictures
from vae_jax.runs import restore

NUM_POINTS = 7
REACH = 1.5  # times the difference of the means, at the end of a row
MOST_CLASSES = 100  # of labels that are taken for classes


class Change(NamedTuple):
    """One label for another: what an image starts with, and the difference of the codes."""

    name: str
    starts: np.ndarray  # bool [N], the images of the split that it can be done to
    direction: np.ndarray  # [D]


def run(path: str, options: Options, say: restore.Say = print) -> None:
    """Write arithmetic.png and .npy: rows of images to whose code the difference of two labels' means is added.

    Of attributes, each is given to an image that lacks it; of classes, each becomes the next. The means are of the
    training codes. At most --num rows. The first image is the reconstruction, the last overshoots by half.
    """
    if options.input:
        raise errors.UserError("--mode arithmetic is of labels, and the images of --input have none; leave it out")
    found = restore.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    loaded = cli_images.dataset_of(found.config, options)
    training = codes.training_codes(found, loaded.train["image"])
    moved, names = rows(found, loaded, cli_images.split_of(loaded, options.split), training, options.num)
    images = moved.reshape(-1, *moved.shape[2:])
    cli_images.write_images(path, "arithmetic", images, pictures.labelled_rows(moved, names), say)


def rows(
    found: restore.RestoredRun, loaded: dataset.Dataset, split: dataset.Split, training: Gaussian, num: int | None
) -> tuple[np.ndarray, list[str]]:
    """Return images [L, NUM_POINTS, H, W, C], a row for each of at most `num` changes, and what to call each row.

    `training` are `codes.training_codes` of the data, `split` is where the images come from.

    Raises:
        errors.UserError: no labels, or no image to change.
    """
    if "label" not in loaded.train or "label" not in split:
        raise errors.UserError(f"{loaded.name} has no labels, and --mode arithmetic is of labels")
    labels = np.asarray(loaded.train["label"])[codes.chosen(len(loaded.train["image"]))]
    mine = np.asarray(split["label"])
    known = changes(np.asarray(training.mean), labels, mine, loaded.label_names)
    known = [change for change in known if change.starts.any()][:num]
    if not known:
        raise errors.UserError(f"the labels of {loaded.name} are no classes or attributes that differ")
    first = np.stack([split["image"][change.starts.argmax()] for change in known])
    start = sampling.encode(found.model, found.variables, first).mean
    along = REACH * np.linspace(0.0, 1.0, NUM_POINTS)[None, :, None]
    z = start[:, None] + along * np.stack([change.direction for change in known])[:, None]
    images = sampling.decode(found.model, found.variables, z.reshape(-1, z.shape[-1]))
    return images.reshape(*z.shape[:2], *images.shape[1:]), [change.name for change in known]


def changes(mean: np.ndarray, labels: np.ndarray, mine: np.ndarray, names: tuple[str, ...]) -> list[Change]:
    """Return what can be changed, from means [N, D] of labels [N] or [N, A], in images of labels `mine`."""
    if labels.ndim == 2:
        with_and_without = [(labels[:, a] > 0, mine[:, a] <= 0, _name(names, a)) for a in range(labels.shape[1])]
        return [
            Change(f"+ {name}", starts, mean[has].mean(0) - mean[~has].mean(0))
            for has, starts, name in with_and_without
            if has.any() and not has.all()
        ]
    classes = np.unique(labels)
    if not 2 <= len(classes) <= MOST_CLASSES:
        return []
    means = [mean[labels == value].mean(0) for value in classes]
    return [
        Change(f"{_name(names, a)} to {_name(names, b)}", mine == a, means[(i + 1) % len(classes)] - means[i])
        for i, (a, b) in enumerate(zip(classes, np.roll(classes, -1), strict=True))
    ]


def _name(names: tuple[str, ...], value: int) -> str:
    return names[value].replace("_", " ") if 0 <= value < len(names) else str(value)
