"""The walking figures of the Liberated Pixel Cup, a whole grid of six factors, as an .npz that the source `npz` reads.

    python -m benchmarks.sprites lpc_walk_6x6x6x6x4x8_64.npz sprites32.npz --size=32

FILE holds `index` uint8 [*G, H, W], the pixels' places in `palette` uint8 [P, 3], for every point of the grid G, whose
axes are named by `factors`. Made are `images` uint8 [N, size, size, 3] and `factors` int32 [N, F], the grid's indices,
in the grid's order.
"""

import argparse
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vae_jax.data import images

CHUNK = 4_096


def unfold(pack: Mapping[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    """Return every image of a pack, resized with antialiasing, and the factors it was made from."""
    index, palette = pack["index"], pack["palette"]
    grid, picture = index.shape[:-2], index.shape[-2:]
    rows = index.reshape(-1, *picture)
    recipe = images.Recipe(size=(size, size))
    parts = [images.fit_array(palette[rows[at : at + CHUNK]], recipe) for at in range(0, len(rows), CHUNK)]
    factors = np.stack(np.unravel_index(np.arange(len(rows)), grid), axis=1)
    return {"images": np.concatenate(parts), "factors": factors.astype(np.int32)}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--size", type=int, default=32, help="pixels on a side")
    given = parser.parse_args(arguments)
    with np.load(given.file) as pack:
        arrays = unfold(pack, given.size)
    contents: dict[str, Any] = {**arrays}
    np.savez(given.out, **contents)
    print(f"wrote {given.out}: images {arrays['images'].shape}, factors {arrays['factors'].shape}")


if __name__ == "__main__":
    main(sys.argv[1:])
