"""Building the cache from JPEGs of CelebA's size, against one core's bare decode, crop and resize, times the cores.

    python -m benchmarks.decode [--dir DIR_OR_ZIP] [--num 5500]

Bare and cached turns alternate. Without --dir the JPEGs are made: blurred noise of 178 x 218 at quality 90, about as
many bytes as CelebA's. Also says what JPEG's own reduced decoding ("draft") would gain, and what it would change in
the pixels.
"""

import argparse
import contextlib
import io
import multiprocessing
import pathlib
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent import futures
from statistics import median

import numpy as np
from PIL import Image, ImageFilter

from vae_jax.configs import folder
from vae_jax.data import images, sources, stores, workers

RECIPE = images.Recipe("center148", (64, 64))


def make_jpegs(directory: pathlib.Path, number: int) -> None:
    """Write `number` JPEGs of blurred noise, 178 x 218."""
    generator = np.random.default_rng(0)
    for index in range(number):
        small = generator.integers(0, 256, (28, 23, 3), dtype=np.uint8)
        picture = Image.fromarray(small).resize((178, 218), Image.Resampling.BICUBIC)
        picture.filter(ImageFilter.SHARPEN).save(directory / f"{index:06d}.jpg", quality=90)


def whole(data: bytes) -> np.ndarray:
    """Decode, crop and resize as the library does; uint8 [64, 64, 3]."""
    return images.fit(images.decode(data), RECIPE)


def draft(data: bytes) -> np.ndarray:
    """The same from a JPEG decoded at half its size, which is still no smaller than what is asked for."""
    with Image.open(io.BytesIO(data)) as picture:
        corners = images.crop_box(RECIPE.crop, *picture.size)
        assert corners is not None, "the recipe's crop fits CelebA's images"
        left, top, right, bottom = corners
        width, height = picture.size
        picture.draft("RGB", (width // 2, height // 2))
        across, down = picture.width / width, picture.height / height
        box = (left * across, top * down, right * across, bottom * down)
        return np.asarray(
            picture.convert("RGB").resize((RECIPE.size[1], RECIPE.size[0]), Image.Resampling.BILINEAR, box=box)
        )


def bare(store: stores.Store, names: list[str], decode: Callable[[bytes], np.ndarray] = whole) -> float:
    """Return images/s of one core: read, decode, crop, resize, nothing kept."""
    began = time.perf_counter()
    for name in names:
        decode(store.read(name)[0])
    return len(names) / (time.perf_counter() - began)


def bare_together(path: pathlib.Path, names: list[str], cores: int) -> float:
    """Return images/s of as many such processes at once: what the machine has, where it is shared or its cores are."""
    with futures.ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_bare_at, [path] * cores, [names[:1]] * cores))  # started
        return sum(pool.map(_bare_at, [path] * cores, [names] * cores))


def _bare_at(path: pathlib.Path, names: list[str]) -> float:
    return bare(stores.open_path(path), names)


def build_cache(path: pathlib.Path, number: int) -> float:
    """Return images/s of a whole build: listing, processes started, decoding, writing, sync."""
    config = folder.get_config()
    config.data.dir, config.data.crop, config.data.image_size = str(path), RECIPE.crop, RECIPE.size
    with tempfile.TemporaryDirectory() as cache, contextlib.redirect_stderr(io.StringIO()):
        config.data.cache_dir = cache
        began = time.perf_counter()
        sources.load(config.data)
        return number / (time.perf_counter() - began)


def processor_share(path: pathlib.Path, store: stores.Store, names: list[str]) -> float:
    """Return the seconds of processor that bare decoding takes, over those of a whole build and its processes.

    What the share would be on cores that nobody else is using.
    """
    began = time.process_time()
    bare(store, names)
    spent, before = time.process_time() - began, _all_seconds()
    build_cache(path, len(names))
    return spent / (_all_seconds() - before)


def _all_seconds() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def draft_difference(store: stores.Store, names: list[str]) -> tuple[float, int]:
    """Return the mean and the largest absolute difference of pixels between `draft` and `whole`."""
    pairs = [(whole(data).astype(int), draft(data).astype(int)) for data, _ in map(store.read, names)]
    differences = np.abs(np.array([one - other for one, other in pairs]))
    return float(differences.mean()), int(differences.max())


def _spread(shares: list[float]) -> str:
    return f"{median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})"


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=5500, help="JPEGs to make, without --dir")
    parser.add_argument("--dir", type=pathlib.Path, help="a directory, or a .zip, of JPEGs of 178 x 218")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as made:
        path = given.dir or pathlib.Path(made)
        if not given.dir:
            make_jpegs(path, given.num)
        store = stores.open_path(path)
        names = [member.name for member in store.members]
        sample, cores = names[: max(1, len(names) // 4)], workers.num_cores()
        rates, together, seconds = [], [], []
        for _ in range(given.rounds):
            rates.append((bare(store, sample), build_cache(path, len(names)), bare(store, sample)))
            together.append(bare_together(path, sample, cores))
            seconds.append(processor_share(path, store, names))
        drafted = bare(store, sample, draft)
        mean, largest = draft_difference(store, sample[:200])
    built = [rate for _, rate, _ in rates]
    alone = [(before + after) / 2 for before, _, after in rates]
    print(f"{len(names)} JPEGs, {cores} cores; images/s, the median of {given.rounds} rounds:")
    print(f"one core bare {median(alone):.0f}, all at once {median(together):.0f}, cache built {median(built):.0f}")
    print(f"share of cores x bare: {_spread([b / (cores * a) for a, b in zip(alone, built, strict=True)])}")
    print(f"share of all bare at once: {_spread([b / t for b, t in zip(built, together, strict=True)])}")
    print(f"share of processor time: {_spread(seconds)}")
    print(f"draft: {drafted:.0f} on one core; a pixel differs by {mean:.2f} levels on average, {largest} at most")


if __name__ == "__main__":
    main(sys.argv[1:])
