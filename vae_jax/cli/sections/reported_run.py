"""What the sections of a report are computed from: a restored run, its metrics, and its images where they are found."""

import pathlib
from typing import Any, NamedTuple

import numpy as np

from vae_jax import distributions
from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Report
from vae_jax.data import dataset
from vae_jax.inference import codes
from vae_jax.runs import restore


class ReportedImages(NamedTuple):
    """The images of a report."""

    split: dataset.Split  # the images that are shown: a split of the run's data, or the images of --input
    training: np.ndarray  # uint8 [N, H, W, C], the images that the model was trained on
    codes: distributions.Gaussian  # [N, D], the posteriors of the training images


class ReportedRun(NamedTuple):
    """The run that a report is about."""

    directory: pathlib.Path
    step: int  # of the checkpoint
    restored: restore.RestoredRun
    metrics: list[dict[str, Any]]  # the lines of metrics.jsonl
    images: ReportedImages | None  # None where the run's data are not found
    options: Report
    say: restore.Say


def load_images(restored: restore.RestoredRun, options: Report) -> ReportedImages:
    """Return the images that a report shows.

    Raises:
        errors.UserError: the data are not where the run or --config.data.dir says.
    """
    split = cli_images.images_of(restored.config, options)
    training = cli_images.training_images(restored.config, options)
    return ReportedImages(split, training, codes.training_codes(restored, training))
