"""--mode encode: the posteriors of images, with their names and classes, as a file of arrays or a table."""

import dataclasses
import pathlib
from collections.abc import Iterator

from vae_jax.cli import images as cli_images
from vae_jax.cli import tables
from vae_jax.cli.options import Encode
from vae_jax.inference import sampling
from vae_jax.runs import restore


def run(path: str, options: Encode, say: restore.Say = print) -> None:
    """Write latents.npz or latents.csv: a row for each image, in the order of the images.

    The columns are the image's `name`, the parameters of q(z|x), such as `mean` and `logvar` [N, D], and where the
    images have them `label`, `class` and `factors`.
    """
    found = restore.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    file = pathlib.Path(path) / f"latents.{options.format}"
    columns: dict[str, tuple[int, ...]] = {}
    rows = tables.write(file, _parts(found, options, columns))
    shapes = ", ".join(f"{name} {(rows, *shape)}" for name, shape in columns.items())
    say(f"wrote {file}: {shapes}")


def _parts(found: restore.RestoredRun, options: Encode, columns: dict[str, tuple[int, ...]]) -> Iterator[tables.Part]:
    """Yield the rows of the table, and note in `columns` the shape of a row of each column."""
    start = 0
    for split in cli_images.parts_of(found.config, options):
        posterior = sampling.of_images(sampling.posterior, found.model, found.variables, split["image"], start)
        parameters = {field.name: getattr(posterior, field.name) for field in dataclasses.fields(posterior)}
        part = {"name": split["name"]} | parameters
        part |= {name: split[name] for name in ("label", "class", "factors") if name in split}
        columns |= {name: values.shape[1:] for name, values in part.items()}
        start += len(split["image"])
        yield part
