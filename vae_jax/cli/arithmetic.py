"""--mode arithmetic: images whose codes move by the difference between the mean codes of two labels."""

from typing import NamedTuple

import numpy as np

from vae_jax import errors
from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Arithmetic
from vae_jax.data import dataset
from vae_jax.distributions import Gaussian
from vae_jax.inference import codes, sampling
from vae_jax.report import pictures
from vae_jax.runs import restore

NUM_POINTS = 7
REACH = 1.5  # the end of a row, in multiples of the difference between the means
MOST_CLASSES = 100  # labels with more different values are not taken for classes


class Change(NamedTuple):
    """The change from one label to another, or from the absence of an attribute to its presence."""

    name: str
    starts: np.ndarray  # bool [N], the images of the split that can be changed
    direction: np.ndarray  # [D], the difference between the mean codes


def run(path: str, options: Arithmetic, say: restore.Say = print) -> None:
    """Write arithmetic.png and arithmetic.npy: a row of images for each change of a label.

    Each attribute is given to an image that lacks the attribute; an image of each class moves towards the next class.
    The mean codes are those of the training images. The first image of a row is the reconstruction, and the last has
    moved by 1.5 times the difference.
    """
    found = restore.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    loaded = cli_images.dataset_of(found.config, options)
    training = codes.training_codes(found, loaded.train["image"])
    moved, names = rows(found, loaded, cli_images.split_of(loaded, options.split), training, options.num)
    images = moved.reshape(-1, *moved.shape[2:])
    cli_images.write_images(path, "arithmetic", images, pictures.labelled_rows(moved, names), say)


def rows(
    found: restore.RestoredRun, loaded: dataset.Dataset, split: dataset.Split, training: Gaussian, num: int | None
) -> tuple[np.ndarray, list[str]]:
    """Return a row of images for each change of a label, and a name for each row.

    Args:
        found: the restored run.
        loaded: the run's data, whose training labels the mean codes belong to.
        split: the split that the images come from.
        training: the posteriors of the training images, from `codes.training_codes`.
        num: how many changes at most; None is no limit.

    Returns:
        Images [L, NUM_POINTS, H, W, C] and L names.

    Raises:
        errors.UserError: the data have no labels, or there is no image to change.
    """
    if "label" not in loaded.train or "label" not in split:
        raise errors.UserError(f"{loaded.name} has no labels, and --mode arithmetic needs them")
    labels = np.asarray(loaded.train["label"])[codes.chosen(len(loaded.train["image"]))]
    mine = np.asarray(split["label"])
    known = changes(np.asarray(training.mode()), labels, mine, loaded.label_names)
    known = [change for change in known if change.starts.any()][:num]
    if not known:
        raise errors.UserError(
            f"the labels of {loaded.name} are neither classes nor attributes that differ between images"
        )
    first = np.stack([split["image"][change.starts.argmax()] for change in known])
    start = sampling.mode_of(found.model, found.variables, first)
    along = REACH * np.linspace(0.0, 1.0, NUM_POINTS)[None, :, None]
    z = start[:, None] + along * np.stack([change.direction for change in known])[:, None]
    images = sampling.decode(found.model, found.variables, z.reshape(-1, z.shape[-1]))
    return images.reshape(*z.shape[:2], *images.shape[1:]), [change.name for change in known]


def changes(mean: np.ndarray, labels: np.ndarray, mine: np.ndarray, names: tuple[str, ...]) -> list[Change]:
    """Return every change between labels.

    Args:
        mean: codes [N, D] of the training images.
        labels: classes [N] or attributes [N, A] of the training images.
        mine: classes or attributes of the images to change.
        names: the names of the classes or attributes, as many as are known.
    """
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
    """Return the name of a class or an attribute, or its number where the name is not known."""
    return names[value].replace("_", " ") if 0 <= value < len(names) else str(value)
