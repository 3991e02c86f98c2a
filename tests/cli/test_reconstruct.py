"""Reconstructions, and paths between them."""

import numpy as np
from PIL import Image

from vae_jax import cli
from vae_jax.cli import options


def test_reconstruct_takes_the_runs_validation_images_or_ones_own(workdir, folder):
    cli.run("reconstruct", str(workdir), options.Reconstruct(num=3))
    assert np.load(workdir / "reconstructions.npy").shape == (3, 8, 8, 1)
    cli.run("reconstruct", str(workdir), options.Reconstruct(input=str(folder)))
    assert np.load(workdir / "reconstructions.npy").shape == (2, 8, 8, 1)
    sheet = np.asarray(Image.open(workdir / "reconstructions.png"))
    assert (sheet[2:66, 2:66] == 40).all() and (sheet[2:66, 68:132] == 200).all()


def test_interpolations_begin_and_end_at_the_reconstructions(workdir, folder):
    cli.run("reconstruct", str(workdir), options.Reconstruct(input=str(folder)))
    cli.run("interpolate", str(workdir), options.Interpolate(input=str(folder)))
    rows = np.load(workdir / "interpolations.npy")
    assert rows.shape == (8, 8, 8, 1)
    np.testing.assert_array_equal(rows[[0, -1]], np.load(workdir / "reconstructions.npy"))
    cli.run("interpolate", str(workdir), options.Interpolate(input=str(folder), interpolation="spherical"))
    arc = np.load(workdir / "interpolations.npy")
    np.testing.assert_array_equal(arc[[0, -1]], rows[[0, -1]])
    for said, pairs in (({}, 16), ({"num": 18}, 18), ({"num": 3}, 3)):
        cli.run("interpolate", str(workdir), options.Interpolate(split="train", **said))
        assert len(np.load(workdir / "interpolations.npy")) == 8 * pairs
