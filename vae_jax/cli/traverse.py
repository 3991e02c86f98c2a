"""--mode traverse."""

import pathlib

import numpy as np

from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Options
from vae_jax.inference import codes, sampling
from vae_jax.report import pictures
from vae_jax.runs import restore

NUM_POINTS = 11
REACH = 2.5  # standard deviations of the aggregate posterior to either side of its mean
NUM_INACTIVE = 8  # latents shown of a posterior that has collapsed
MILLISECONDS = 120  # a frame


def run(path: str, options: Options, say: restore.Say = print) -> None:
    """Write traversals.png, a row for each active latent, the largest KL first, .gif, all at once, and .npy.

    The first image's code, with one latent moved through the range of the training codes. At most
    --num latents where that is said. Of a model of two latents also map.png and .npy, the whole plane.
    """
    found = restore.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    image = np.asarray(cli_images.images_of(found.config, options)["image"][:1])
    training = codes.training_codes(found, cli_images.training_images(found.config, options))
    use = codes.usage(training)
    say(f"{use.active.sum()} of {len(use.order)} latents are active")
    if not use.active.any():
        say("the posterior has collapsed; shown are the latents with the largest KL")
    moved, labels = rows(found, image, use, options.num)
    images = moved.reshape(-1, *moved.shape[2:])
    cli_images.write_images(path, "traversals", images, pictures.labelled_rows(moved, labels), say)
    there = [pictures.grid(moved[:, point]) for point in range(NUM_POINTS)]
    pictures.save_gif(pathlib.Path(path) / "traversals.gif", [*there, *there[-2:0:-1]], MILLISECONDS)
    if found.model.latent_dim == 2:
        plane = sampling.latent_map(found.model, found.variables)
        flat = plane.reshape(-1, *plane.shape[2:])
        cli_images.write_images(path, "map", flat, pictures.grid(flat, len(plane), gap=0), say)


def rows(
    found: restore.RestoredRun, image: np.ndarray, use: codes.Usage, num: int | None
) -> tuple[np.ndarray, list[str]]:
    """Return traversals [L, NUM_POINTS, H, W, C] of the code of image [1, H, W, C], and what to call each row.

    Of all active latents, or of a few where none is, at most `num`.
    """
    chosen = use.order[use.active[use.order]] if use.active.any() else use.order[:NUM_INACTIVE]
    chosen = chosen[:num]
    start = sampling.encode(found.model, found.variables, image).mean[0]
    steps = REACH * np.linspace(-1.0, 1.0, NUM_POINTS)
    values = use.mean[chosen, None] + use.std[chosen, None] * steps
    moved = sampling.traverse(found.model, found.variables, start, chosen, values)
    return moved, [_label(use, latent) for latent in chosen]


def _label(use: codes.Usage, latent: int) -> str:
    number = f"std {use.std[latent]:.2f}" if use.kl is None else f"{use.kl[latent]:.2f} nats"
    return f"z{latent}\n{number}"
