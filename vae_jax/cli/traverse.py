"""--mode traverse: images in which one latent changes at a time."""

import pathlib

import numpy as np

from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Traverse
from vae_jax.inference import codes, sampling
from vae_jax.report import pictures
from vae_jax.runs import restore

NUM_POINTS = 11
REACH = 2.5  # standard deviations of the aggregate posterior to either side of its mean
NUM_INACTIVE = 8  # latents shown where the posterior has collapsed
MILLISECONDS = 120  # how long the animation shows a frame


def run(path: str, options: Traverse, say: restore.Say = print) -> None:
    """Write traversals.png with a row for each active latent, traversals.gif with all rows moving, and traversals.npy.

    A row starts from the code of the first image, and one latent moves through the range of the training codes. The
    latent with the largest KL comes first. For a model of two latents the mode also writes map.png and map.npy, the
    images of the whole plane.
    """
    found = restore.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    image = np.asarray(cli_images.images_of(found.config, options)["image"][:1])
    training = codes.training_codes(found, cli_images.training_images(found.config, options))
    use = codes.usage(training, found.model.prior())
    say(f"{use.active.sum()} of {len(use.order)} latents are active")
    if not use.active.any():
        say("the posterior has collapsed; the latents with the largest KL are shown")
    moved, labels = rows(found, image, use, options.num)
    images = moved.reshape(-1, *moved.shape[2:])
    cli_images.write_images(path, "traversals", images, pictures.labelled_rows(moved, labels), say)
    frames = [pictures.grid(moved[:, point]) for point in range(NUM_POINTS)]
    pictures.save_gif(pathlib.Path(path) / "traversals.gif", [*frames, *frames[-2:0:-1]], MILLISECONDS)
    if found.model.latent_dim == 2:
        plane = sampling.latent_map(found.model, found.variables)
        flat = plane.reshape(-1, *plane.shape[2:])
        cli_images.write_images(path, "map", flat, pictures.grid(flat, len(plane), gap=0), say)


def rows(
    found: restore.RestoredRun, image: np.ndarray, use: codes.Usage, num: int | None
) -> tuple[np.ndarray, list[str]]:
    """Return the traversals of an image's code, and a label for each row.

    Args:
        found: the restored run.
        image: uint8 [1, H, W, C], whose code the rows start from.
        use: what each latent is used for, of the training codes.
        num: how many latents at most; None is no limit.

    Returns:
        Images [L, NUM_POINTS, H, W, C] and L labels: of the active latents, or of NUM_INACTIVE where none is active.
    """
    chosen = use.order[use.active[use.order]] if use.active.any() else use.order[:NUM_INACTIVE]
    chosen = chosen[:num]
    start = sampling.mode_of(found.model, found.variables, image)[0]
    steps = REACH * np.linspace(-1.0, 1.0, NUM_POINTS)
    values = use.mean[chosen, None] + use.std[chosen, None] * steps
    moved = sampling.traverse(found.model, found.variables, start, chosen, values)
    return moved, [_label(use, latent) for latent in chosen]


def _label(use: codes.Usage, latent: int) -> str:
    """Return the latent's number and its KL, or its standard deviation where codes have no noise."""
    number = f"std {use.std[latent]:.2f}" if use.kl is None else f"{use.kl[latent]:.2f} nats"
    return f"z{latent}\n{number}"
