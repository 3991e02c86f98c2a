"""--mode score: how well the model explains each image, as a table, for the detection of anomalies."""

import functools
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from vae_jax import errors
from vae_jax.cli import images as cli_images
from vae_jax.cli import tables
from vae_jax.cli.options import Images, Score
from vae_jax.inference import scores
from vae_jax.runs import restore

ORDER = ("elbo", "distortion", "kl", "importance_weighted", "reconstruction_error")
SHOWN = (1, 5, 50, 95, 99)  # percentiles of the validation split that are printed


def run(path: str, options: Score, say: restore.Say = print) -> None:
    """Write scores.csv: a row for each image, in the order of the images.

    The columns are the image's name, its scores, and for each score NAME_percentile, the share of the validation images
    with a lower score, in percent. An anomaly has a low percentile of the ELBO and a high one of the others.
    """
    found = restore.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    function = scores.reconstruction_of(found.config, allow_import=options.allow_import)
    scored = functools.partial(_scored, found, function, options.num_samples)
    parts = _validation(scored, options, say)
    reference = {name: np.concatenate([part[name] for part in parts]) for name in ORDER if parts and name in parts[0]}
    validation_is_asked_for = parts and not options.input and options.split == "valid"
    file = pathlib.Path(path) / "scores.csv"
    rows = tables.write(file, _ranked(parts if validation_is_asked_for else scored(options), reference))
    for name in ORDER:
        if name in reference:
            values = ", ".join(f"{value:.6g}" for value in np.percentile(reference[name], SHOWN))
            say(f"{name} of the validation split, percentiles {', '.join(map(str, SHOWN))}: {values}")
    say(f"wrote {file}: {rows:,} images")


def _scored(
    found: restore.RestoredRun, function: Callable[..., Any], num_samples: int, options: Images
) -> Iterator[tables.Part]:
    """Yield the names and scores of the images that the options name, part by part."""
    start = 0
    for split in cli_images.parts_of(found.config, options):
        made = scores.score(
            found.model, found.variables, split["image"], function, num_samples=num_samples, start=start
        )
        start += len(split["image"])
        yield {"name": split["name"]} | {name: made[name] for name in ORDER if name in made}


def _validation(
    scored: Callable[[Images], Iterator[tables.Part]], options: Score, say: restore.Say
) -> list[tables.Part]:
    """Return the scores of the validation split, [] where the split cannot be read, which is said."""
    try:
        return list(scored(Images(split="valid", data_dir=options.data_dir)))
    except errors.UserError as error:
        say(f"scores.csv has no percentiles, because there are no validation images: {error}")
        return []


def _ranked(parts: Iterable[tables.Part], reference: scores.Scores) -> Iterator[tables.Part]:
    """Yield the parts with a column of percentiles for each score that the reference has."""
    for part in parts:
        ranks = scores.percentiles({name: part[name] for name in reference}, reference)
        yield part | {f"{name}_percentile": values for name, values in ranks.items()}
