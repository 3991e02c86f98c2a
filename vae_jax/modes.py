"""What can be done with a trained run: each mode takes its directory, writes files there, says where."""

import io
import os
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax import checkpoint, configuration, errors, models, pictures, sampling, workdir
from vae_jax.data import batches, dataset, own, sources
from vae_jax.evaluation import elbo
from vae_jax.random import fold_in_name
from vae_jax.training import build

Say = Callable[[str], None]


class Options(NamedTuple):
    """The command line's say in a mode."""

    num: int = 64  # images to make or to take
    seed: int = 0
    temperature: float = 1.0  # standard deviation of the prior's noise, 1 is the prior
    checkpoint: str = "latest"  # latest | best | STEP
    split: str = "valid"  # of the run's own data: train | valid | test
    input: str = ""  # the user's own images, a folder or .zip, in place of the split
    data_dir: str = ""  # where the data of the run lie now, if not where they lay
    allow_import: bool = False  # may config.json name code of the user's own


class Restored(NamedTuple):
    model: models.VAE
    variables: dict[str, Any]
    config: configuration.Config


def restore(
    path: str | os.PathLike[str], which: str = "latest", say: Say = print, *, allow_import: bool = False
) -> Restored:
    """Return the model, its parameters and running statistics alone, and the configuration of a run.

    Args:
        path: the run's directory; nothing else is needed.
        which: "latest", "best", or a step.
        say: told of a damaged checkpoint that was passed over.
        allow_import: import the model's code where config.json names a module of the trainer's own.

    Raises:
        errors.UserError: no run there, no such checkpoint, or code that may not be imported.
    """
    restored = checkpoint.restore_variables(workdir.existing(path), which, say)
    config = configuration.from_json(restored.config)
    return Restored(build.make_model(config, allow_import=allow_import), restored.variables, config)


def sample(path: str, options: Options, say: Say = print) -> None:
    """Write samples.png and samples.npy: images decoded from the prior."""
    model, variables, _ = restore(path, options.checkpoint, say, allow_import=options.allow_import)
    key = jax.random.key(options.seed)
    images = sampling.sample(model, variables, key, options.num, temperature=options.temperature)
    _write_images(path, "samples", images, pictures.grid(images), say)


def reconstruct(path: str, options: Options, say: Say = print) -> None:
    """Write reconstructions.png, originals above their reconstructions, and .npy, the reconstructions."""
    model, variables, config = restore(path, options.checkpoint, say, allow_import=options.allow_import)
    originals = np.asarray(_images(config, options)["image"][: options.num])
    images = sampling.reconstruct(model, variables, originals)
    _write_images(path, "reconstructions", images, pictures.beside(originals, images), say)


def interpolate(path: str, options: Options, say: Say = print) -> None:
    """Write interpolations.png, a row for each pair of neighbouring images, and .npy, the rows one after another."""
    model, variables, config = restore(path, options.checkpoint, say, allow_import=options.allow_import)
    originals = np.asarray(_images(config, options)["image"][: 2 * options.num])
    pairs = min(options.num, len(originals) // 2, 16)
    if not pairs:
        raise errors.UserError("--mode interpolate takes two images or more; give more with --input")
    rows = sampling.interpolate(model, variables, originals[: 2 * pairs : 2], originals[1 : 2 * pairs : 2])
    images = rows.reshape(-1, *rows.shape[2:])
    _write_images(path, "interpolations", images, pictures.grid(images, columns=rows.shape[1]), say)


def encode(path: str, options: Options, say: Say = print) -> None:
    """Write latents.npz: `mean` and `logvar` [N, D] of q(z|x), and `label` where the images have one."""
    model, variables, config = restore(path, options.checkpoint, say, allow_import=options.allow_import)
    split = _images(config, options)
    posterior = sampling.encode(model, variables, np.asarray(split["image"]))
    arrays = {"mean": posterior.mean, "logvar": posterior.logvar}
    arrays |= {name: split[name] for name in ("label", "factors") if name in split}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    file = pathlib.Path(path) / "latents.npz"
    workdir.write_atomically(file, buffer.getvalue())
    say(f"wrote {file}: {', '.join(f'{name} {array.shape}' for name, array in arrays.items())}")


def evaluate(path: str, options: Options, say: Say = print) -> dict[str, float]:
    """Write evaluation.json: the objective's metrics on a split, every image once, and what they were measured on."""
    restored = checkpoint.restore_variables(workdir.existing(path), options.checkpoint, say)
    config = configuration.from_json(restored.config)
    model = build.make_model(config, allow_import=options.allow_import)
    split = _images(config, options)
    objective = build.make_eval_objective(config, len(split["image"]), allow_import=options.allow_import)
    data = config.data

    def prepare(images: jax.Array, key: jax.Array) -> jax.Array:
        return batches.prepare(
            images,
            key,
            range=tuple(data.range),
            flip=False,
            binarize=data.binarize,
            dequantize=data.dequantize,
        )

    eval_step = elbo.make_eval_step(model, objective, prepare)
    key = fold_in_name(jax.random.key(config.seed), "eval")
    metrics = elbo.evaluate(eval_step, restored.variables, split["image"], data.batch_size, key, restored.step)
    measured_on = {
        "checkpoint": restored.step,
        "images": options.input or f"{data.source} {options.split}",
        "num_images": len(split["image"]),
        "units": "nats per image",
    }
    file = pathlib.Path(path) / "evaluation.json"
    workdir.write_json(file, measured_on | {"metrics": metrics})
    width = max(map(len, metrics))
    say(f"checkpoint {restored.step}, {measured_on['num_images']:,} images of {measured_on['images']}, nats per image")
    say("\n".join(f"  {name:<{width}}  {value:.4f}" for name, value in sorted(metrics.items())))
    say(f"wrote {file}")
    return metrics


MODES: dict[str, Callable[..., Any]] = {
    "sample": sample,
    "reconstruct": reconstruct,
    "interpolate": interpolate,
    "evaluate": evaluate,
    "encode": encode,
}


def _images(config: configuration.Config, options: Options) -> dataset.Split:
    """Return the user's own images, fitted to the model, or a split of the run's data."""
    if options.input:
        return own.load_images(options.input, config.data.crop, tuple(config.model.image_shape))
    if config.data.source == "array":
        raise errors.UserError("this run was trained on an array given from Python; give images with --input DIR")
    if options.data_dir:
        with config.unlocked():
            config.data.dir = options.data_dir
    loaded = sources.load(config.data)
    split = getattr(loaded, options.split)
    if split is None:
        raise errors.UserError(f"{config.data.source} has no {options.split} split; choose another --split")
    return split


def _write_images(path: str, name: str, images: np.ndarray, sheet: np.ndarray, say: Say) -> None:
    directory = pathlib.Path(path)
    buffer = io.BytesIO()
    np.save(buffer, images)
    workdir.write_atomically(directory / f"{name}.npy", buffer.getvalue())
    pictures.save_png(directory / f"{name}.png", sheet)
    say(f"wrote {directory / name}.png and .npy: {len(images)} images {images.shape[1:]}")
