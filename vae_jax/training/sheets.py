"""The pictures that training writes: samples of fixed noise, reconstructions, and an animation of the samples.

`loop` calls both functions. The grids of pictures are in `report.pictures`, and the images come from
`inference.sampling`.
"""

import numpy as np

from vae_jax import devices
from vae_jax.devices import processes
from vae_jax.inference import codes, sampling
from vae_jax.report import pictures
from vae_jax.training import setup, train_state

NUM_PICTURES = 64  # samples on a sheet
NUM_CODES = 256  # images over which the KL of each latent is averaged
NUM_PAIRS = 32  # originals with their reconstructions on a sheet
NUM_FRAMES = 60  # the largest number of frames of the animation
FRAME_MILLISECONDS = 250


def draw(run: setup.Run, state: train_state.TrainState, step: int) -> None:
    """Write a sheet of samples, a sheet of images with their reconstructions, and the KL of each latent.

    The samples are decoded from the same noise at every step. The images are of the validation split if there is one.
    The KL of each latent is a mean over NUM_CODES images, so that it takes little time.
    """
    if not processes.leads():
        return
    variables = devices.local(train_state.inference_variables(state))
    images = np.asarray((run.dataset.valid or run.dataset.train)["image"][:NUM_CODES])
    kl = codes.kl_of_latents(run.model, variables, images)
    setup.tolerantly(run, "the KL of the latents", run.writer.write_latents, step, kl)
    originals = images[:NUM_PAIRS]
    sheets = {
        "samples": pictures.grid(sampling.sample(run.model, variables, run.keys["pictures"], NUM_PICTURES)),
        "reconstructions": pictures.beside(originals, sampling.reconstruct(run.model, variables, originals)),
    }
    for name, sheet in sheets.items():
        file = run.path / "images" / f"{name}_{step:07d}.png"
        setup.tolerantly(run, file.name, pictures.save_png, file, sheet)
        setup.tolerantly(run, "pictures for TensorBoard", run.writer.write_image, step, name, sheet)


def animate(run: setup.Run) -> None:
    """Write images/samples.gif, an animation of the sheets of samples over training."""
    files = sorted((run.path / "images").glob("samples_*.png")) if processes.leads() else []
    if not files:
        return
    chosen = np.unique(np.linspace(0, len(files) - 1, min(len(files), NUM_FRAMES)).round().astype(int))
    frames = [pictures.load_png(files[index]) for index in chosen]
    file = run.path / "images" / "samples.gif"
    setup.tolerantly(run, file.name, pictures.save_gif, file, frames, FRAME_MILLISECONDS)
