"""Building the cache from JPEGs of CelebA's size, against one core's bare decode, crop and resize, times the cores.

    python -m benchmarks.decode --num 4000 [--dir DIR]

Bare and cached turns alternate. Without --dir the JPEGs are made: smooth noise of 178 x 218 at quality 90, about as
many bytes as CelebA's. Also says what JPEG's own reduced decoding would change in the pixels, if one used it.
"""

import argparse
import io
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np
from PIL import Image, ImageFilter

from configs import folder
from vae_jax.data import images, sources, workers

RECIPE = images.Recipe("center148", (64, 64))


def make_jpegs(directory: pathlib.Path, number: int) -> list[pathlib.Path]:
    """Write `number` JPEGs of blurred noise, 178 x 218."""
    generator = np.random.default_rng(0)
    for index in range(number):
        small = generator.integers(0, 256, (28, 23, 3), dtype=np.uint8)
        picture = Image.fromarray(small).resize((178, 218), Image.Resampling.BICUBIC)
        picture.filter(ImageFilter.SHARPEN).save(directory / f"{index:06d}.jpg", quality=90)
    return sorted(directory.iterdir())


def bare(files: list[pathlib.Path]) -> float:
    """Return images/s of one core: read, decode, crop, resize, nothing kept."""
    began = time.perf_counter()
    for file in files:
        images.fit(images.decode(file.read_bytes()), RECIPE)
    return len(files) / (time.perf_counter() - began)


def build_cache(directory: pathlib.Path, number: int) -> float:
    """Return images/s of a whole build: listing, processes started, decoding, writing, sync."""
    config = folder.get_config()
    config.data.dir, config.data.crop, config.data.image_size = str(directory), RECIPE.crop, RECIPE.size
    with tempfile.TemporaryDirectory() as cache:
        config.data.cache_dir = cache
        began = time.perf_counter()
        sources.load(config.data)
        return number / (time.perf_counter() - began)


def draft_difference(files: list[pathlib.Path]) -> tuple[float, int]:
    """Return the mean and the largest absolute difference of pixels if JPEGs are decoded at reduced size."""
    differences = []
    for file in files[:100]:
        data = file.read_bytes()
        whole = images.fit(images.decode(data), RECIPE)
        with Image.open(io.BytesIO(data)) as picture:
            left, top = (picture.width - 148) // 2, (picture.height - 148) // 2
            picture.draft("RGB", (picture.width // 2, picture.height // 2))
            box = [side / 2 for side in (left, top, left + 148, top + 148)]
            reduced = picture.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR, box=box)
        differences.append(np.abs(whole.astype(int) - np.asarray(reduced, int)))
    return float(np.mean(differences)), int(np.max(differences))


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=4000)
    parser.add_argument("--dir", type=pathlib.Path, help="a directory of JPEGs of 178 x 218")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as made:
        directory = given.dir or pathlib.Path(made)
        files = sorted(directory.glob("*.jpg")) if given.dir else make_jpegs(directory, given.num)
        sample, cores = files[: max(1, len(files) // 4)], workers.num_cores()
        rates = [(bare(sample), build_cache(directory, len(files)), bare(sample)) for _ in range(given.rounds)]
    shares = [built / (cores * (before + after) / 2) for before, built, after in rates]
    mean, largest = draft_difference(files) if given.dir else (float("nan"), 0)
    one = statistics.median(rate for before, _, after in rates for rate in (before, after))
    print(f"{len(files)} JPEGs, {cores} cores; one core bare: {one:.0f} images/s")
    print(f"cache built: {statistics.median(built for _, built, _ in rates):.0f} images/s")
    print(f"share of cores x bare: {statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})")
    if given.dir:
        print(f"reduced decoding would change a pixel by {mean:.2f} levels on average, {largest} at most")


if __name__ == "__main__":
    main(sys.argv[1:])
