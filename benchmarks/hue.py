"""How much of the images' mean colours their reconstructions keep, along the principal axes of those colours.

    python -m benchmarks.hue runs/eurosat

Where brightness varies far more than hue, a network can be blind to hue and still have a good likelihood. Of at most
--num images of the run's validation split; the first axis is brightness, or nearly so.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np

import vae_jax
from vae_jax.cli import images as cli_images
from vae_jax.cli.options import Images


def explained(originals: np.ndarray, reconstructions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 - mean (a_i - b_i)^2 / Var a_i, a and b the mean colours of uint8 [N, H, W, C] along principal axis i of a.

    Returns it and the standard deviation of a along each axis, in [0, 1]; both [C], the largest deviation first.
    """
    colours = originals.mean((1, 2)) / 255.0
    variance, axes = np.linalg.eigh(np.cov(colours.T, bias=True))
    missed = (reconstructions.mean((1, 2)) / 255.0 - colours) @ axes
    share = 1.0 - np.square(missed).mean(0) / variance
    return share[::-1], np.sqrt(variance[::-1])


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--num", type=int, default=512, help="images at most")
    given = parser.parse_args(arguments)
    for run in given.runs:
        model, variables, config = vae_jax.restore(run)
        images = np.asarray(cli_images.images_of(config, Images())["image"][: given.num])
        share, deviation = explained(images, vae_jax.reconstruct(model, variables, images))
        axes = ", ".join(f"{s:.3f} (sd {d:.3f})" for s, d in zip(share, deviation, strict=True))
        print(f"{run}: explained of the mean colour {axes}, {len(images)} images")


if __name__ == "__main__":
    main(sys.argv[1:])
