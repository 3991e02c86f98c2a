"""FID's Inception-v3, for a user who has its weights: 2,048 features of a picture, the means of its last mixed layer.

The weights are one .npz file, one array a parameter, named and laid out as the PyTorch port of the 2015 network has
them (`Mixed_5b.branch1x1.conv.weight` [O, I, h, w], `Mixed_5b.branch1x1.bn.running_mean` [O], ...), and besides

    activation    [2, 2048]    what the network they come from made of `fixed_images()`

`benchmarks/inception.py` makes the file. A file is refused where the network here makes another activation of its
weights: a distance on almost the right network looks like any other.

References: Szegedy et al., 2016, arXiv 1512.00567; Heusel et al., 2017, arXiv 1706.08500 (the distance).
"""

import hashlib
import pathlib
import zipfile
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import errors
from vae_jax.evaluation.features import Features
from vae_jax.inference.chunks import in_chunks
from vae_jax.report import pictures

FILE = "inception.npz"  # where it is looked for, in the data cache
SIDE, NUM_FEATURES = 299, 2048
EPSILON = 1e-3  # BatchNorm's
TOLERANCE = 1e-3  # of the stored activation, relative to its largest value
IMAGES_PER_CALL = 32

Params = Mapping[str, jax.Array]
Step = tuple[
    str, int, tuple[int, int], int, bool
]  # name, channels out, kernel, stride, whether padded to keep the size


def _step(name: str, channels: int, kernel: int | tuple[int, int] = 1, stride: int = 1) -> Step:
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    return name, channels, kernel, stride, stride == 1


def _chain(prefix: str, *steps: tuple) -> list[Step]:
    return [_step(f"{prefix}_{index}", *step) for index, step in enumerate(steps, 1)]


def _mixed_5(pool: int) -> list[list[Step]]:
    return [
        [_step("branch1x1", 64)],
        _chain("branch5x5", (48,), (64, 5)),
        _chain("branch3x3dbl", (64,), (96, 3), (96, 3)),
        [_step("branch_pool", pool)],
    ]


def _mixed_6(narrow: int) -> list[list[Step]]:
    wide, high = (1, 7), (7, 1)
    return [
        [_step("branch1x1", 192)],
        _chain("branch7x7", (narrow,), (narrow, wide), (192, high)),
        _chain("branch7x7dbl", (narrow,), (narrow, high), (narrow, wide), (narrow, high), (192, wide)),
        [_step("branch_pool", 192)],
    ]


STEM = [
    [("Conv2d_1a_3x3", 32, (3, 3), 2, False), ("Conv2d_2a_3x3", 32, (3, 3), 1, False), _step("Conv2d_2b_3x3", 64, 3)],
    [("Conv2d_3b_1x1", 80, (1, 1), 1, False), ("Conv2d_4a_3x3", 192, (3, 3), 1, False)],
]
SPLIT = "split"  # a last step that is two side by side, 1x3 and 3x1
MIXED_7 = [
    [_step("branch1x1", 320)],
    [_step("branch3x3_1", 384), (SPLIT, "branch3x3_2", 384)],
    [_step("branch3x3dbl_1", 448), _step("branch3x3dbl_2", 384, 3), (SPLIT, "branch3x3dbl_3", 384)],
    [_step("branch_pool", 192)],
]
# Layer, its branches (the last, where called branch_pool, of the pooled input), and how it pools.
LAYERS = [
    *((f"Mixed_5{letter}", _mixed_5(pool), "mean") for letter, pool in (("b", 32), ("c", 64), ("d", 64))),
    ("Mixed_6a", [[_step("branch3x3", 384, 3, 2)], _chain("branch3x3dbl", (64,), (96, 3), (96, 3, 2))], "halve"),
    *(
        (f"Mixed_6{letter}", _mixed_6(width), "mean")
        for letter, width in zip("bcde", (128, 160, 160, 192), strict=True)
    ),
    (
        "Mixed_7a",
        [
            _chain("branch3x3", (192,), (320, 3, 2)),
            _chain("branch7x7x3", (192,), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)),
        ],
        "halve",
    ),
    ("Mixed_7b", MIXED_7, "mean"),
    ("Mixed_7c", MIXED_7, "max"),  # the 2015 network's own, which the port keeps
]


def convolutions() -> dict[str, tuple[int, ...]]:
    """Return the shape of every convolution's kernel: name -> [O, I, h, w]."""
    shapes, channels = {}, 3

    def add(prefix: str, steps: list, into: int) -> int:
        for step in steps:
            if step[0] == SPLIT:
                _, name, out = step
                shapes[f"{prefix}{name}a"], shapes[f"{prefix}{name}b"] = (out, into, 1, 3), (out, into, 3, 1)
                into = 2 * out
            else:
                name, out, kernel, _, _ = step
                shapes[f"{prefix}{name}"], into = (out, into, *kernel), out
        return into

    for steps in STEM:
        channels = add("", steps, channels)
    for layer, branches, pooling in LAYERS:
        widths = [add(f"{layer}.", branch, channels) for branch in branches]
        channels = sum(widths) + (channels if pooling == "halve" else 0)
    return shapes


def _convolve(params: Params, name: str, x: jax.Array, stride: int, padded: bool) -> jax.Array:
    """Return ReLU(BatchNorm(convolution of x)), with BatchNorm on its running statistics."""
    kernel = params[f"{name}.conv.weight"]
    padding = [(side // 2, side // 2) if padded else (0, 0) for side in kernel.shape[2:]]
    x = jax.lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "OIHW", "NHWC"))
    scale = params[f"{name}.bn.weight"] * jax.lax.rsqrt(params[f"{name}.bn.running_var"] + EPSILON)
    shift = params[f"{name}.bn.bias"] - params[f"{name}.bn.running_mean"] * scale
    return jax.nn.relu(x * scale[None, None, None] + shift[None, None, None])


def _run(params: Params, prefix: str, steps: list, x: jax.Array) -> jax.Array:
    for step in steps:
        if step[0] == SPLIT:
            pair = [_convolve(params, f"{prefix}{step[1]}{letter}", x, 1, True) for letter in "ab"]
            x = jnp.concatenate(pair, axis=-1)
        else:
            name, _, _, stride, padded = step
            x = _convolve(params, f"{prefix}{name}", x, stride, padded)
    return x


def _pool(x: jax.Array, how: str) -> jax.Array:
    """Return x pooled over 3x3: the mean inside the image, the largest, or the largest at every second pixel."""
    window, stride = (1, 3, 3, 1), (1, 2, 2, 1) if how == "halve" else (1, 1, 1, 1)
    if how != "mean":
        padding = "VALID" if how == "halve" else "SAME"
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, stride, padding)
    total = jax.lax.reduce_window(x, 0.0, jax.lax.add, window, stride, "SAME")
    return total / jax.lax.reduce_window(jnp.ones_like(x[:1, :, :, :1]), 0.0, jax.lax.add, window, stride, "SAME")


@jax.jit
def activations(params: Params, images: jax.Array) -> jax.Array:
    """Return features [N, 2048] of uint8 images [N, H, W, 3], which are resized to 299x299 and mapped to [-1, 1].

    The resizing is bilinear without antialiasing, as in the 2015 network.
    """
    x = images.astype(jnp.float32) / 255.0
    x = 2.0 * jax.image.resize(x, (len(x), SIDE, SIDE, 3), "bilinear", antialias=False) - 1.0
    for steps in STEM:
        x = _pool(_run(params, "", steps, x), "halve")
    for layer, branches, pooling in LAYERS:
        pooled = _pool(x, pooling)
        inputs = [x if branch[0][0] != "branch_pool" else pooled for branch in branches]
        parts = [_run(params, f"{layer}.", branch, each) for branch, each in zip(branches, inputs, strict=True)]
        x = jnp.concatenate([*parts, *([pooled] if pooling == "halve" else [])], axis=-1)
    return x.mean((1, 2))


def fixed_images() -> np.ndarray:
    """Return two uint8 pictures [2, 64, 48, 3] of a simple formula: (x * 7 + y * 5 * (n + 1) + 83 * c) mod 256."""
    n, y, x, c = np.indices((2, 64, 48, 3))
    return ((7 * x + 5 * y * (n + 1) + 83 * c) % 256).astype(np.uint8)


def inception_features(file: pathlib.Path) -> Features:
    """Return FID's features, made by the weights in `file`.

    Raises:
        errors.UserError: there is no such file, it does not hold the network's arrays, or the network makes another
            activation of them than the file says.
    """
    if not file.is_file():
        raise errors.UserError(
            f"no Inception weights at {file}: make them with benchmarks/inception.py, or say --features inception:FILE"
        )
    try:
        data = file.read_bytes()
        with np.load(file) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise errors.UserError(f"{file} is not a readable .npz file ({error})") from None
    params = {name: jnp.asarray(_take(file, arrays, name, shape), jnp.float32) for name, shape in parameters().items()}
    expected = _take(file, arrays, "activation", (2, NUM_FEATURES))
    error = np.abs(np.asarray(activations(params, fixed_images())) - expected).max() / np.abs(expected).max()
    if not error <= TOLERANCE:
        raise errors.UserError(
            f"{file}: the weights make features that are {error:.1%} off the activation stored with them; make it anew"
        )
    described = {
        "name": "FID's Inception-v3",
        "dimension": NUM_FEATURES,
        "preprocessing": "uint8 / 255, bilinear to 299x299 without antialiasing, [-1, 1]",
        "weights": file.name,
        "sha256": hashlib.sha256(data).hexdigest()[:16],
    }

    def extract(images: np.ndarray) -> np.ndarray:
        return in_chunks(lambda part: activations(params, pictures.to_rgb(part)), images, IMAGES_PER_CALL)

    return Features(extract, described)


def parameters() -> dict[str, tuple[int, ...]]:
    """Return the shape of every array that is read from the file, by name."""
    shapes = {}
    for name, kernel in convolutions().items():
        shapes[f"{name}.conv.weight"] = kernel
        shapes |= {f"{name}.bn.{part}": kernel[:1] for part in ("weight", "bias", "running_mean", "running_var")}
    return shapes


def _take(file: pathlib.Path, arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name not in arrays or arrays[name].shape != shape:
        found = f"of shape {arrays[name].shape}" if name in arrays else "absent"
        raise errors.UserError(f"{file}: {name} should have shape {shape} and is {found}; see benchmarks/inception.py")
    return arrays[name]
