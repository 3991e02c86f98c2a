"""--mode traverse."""

import pathlib

import numpy as np

from vae_jax import pictures, sampling
from vae_jax.modes import codes, restored
from vae_jax.modes.options import Options

NUM_POINTS = 11
REACH = 2.5  # standard deviations of the aggregate posterior to either side of its mean
NUM_INACTIVE = 8  # latents shown of a posterior that has collapsed
MILLISECONDS = 120  # a frame


def run(path: str, options: Options, say: restored.Say = print) -> None:
    """Write traversals.png, a row for each active latent, the largest KL first, .gif, all at once, and .npy.

    The first image's code, with one latent moved through the range of the training codes. At most --num latents.
    """
    found = restored.restore(path, options.checkpoint, say, allow_import=options.allow_import)
    image = np.asarray(restored.images_of(found.config, options)["image"][:1])
    training = codes.training_codes(found, codes.training_images(found.config, options))
    use = codes.usage(training)
    say(f"{use.active.sum()} of {len(use.order)} latents are active")
    chosen = use.order[use.active[use.order]]
    if not len(chosen):
        chosen = use.order[:NUM_INACTIVE]
        say("the posterior has collapsed; shown are the latents with the largest KL")
    chosen = chosen[: options.num]

    start = sampling.encode(found.model, found.variables, image).mean[0]
    steps = REACH * np.linspace(-1.0, 1.0, NUM_POINTS)
    values = use.mean[chosen, None] + use.std[chosen, None] * steps
    rows = sampling.traverse(found.model, found.variables, start, chosen, values)
    labels = [_label(use, latent) for latent in chosen]
    images = rows.reshape(-1, *rows.shape[2:])
    restored.write_images(path, "traversals", images, pictures.labelled_rows(rows, labels), say)
    there = [pictures.grid(rows[:, point]) for point in range(NUM_POINTS)]
    pictures.save_gif(pathlib.Path(path) / "traversals.gif", [*there, *there[-2:0:-1]], MILLISECONDS)


def _label(use: codes.Usage, latent: int) -> str:
    number = f"std {use.std[latent]:.2f}" if use.kl is None else f"{use.kl[latent]:.2f} nats"
    return f"z{latent}\n{number}"
