"""--mode evaluate."""

import pathlib

import jax

from vae_jax import checkpoint, configuration, workdir
from vae_jax.data import batches
from vae_jax.evaluation import elbo
from vae_jax.modes import restored
from vae_jax.modes.options import Options
from vae_jax.random import fold_in_name
from vae_jax.training import build


def run(path: str, options: Options, say: restored.Say = print) -> dict[str, float]:
    """Write evaluation.json: the objective's metrics on a split, every image once, and what they were measured on."""
    saved = checkpoint.restore_variables(workdir.existing(path), options.checkpoint, say)
    config = configuration.from_json(saved.config)
    configuration.validate(config)
    model = build.make_model(config, allow_import=options.allow_import)
    split = restored.images_of(config, options)
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
    metrics = elbo.evaluate(eval_step, saved.variables, split["image"], data.batch_size, key, saved.step)
    measured_on = {
        "checkpoint": saved.step,
        "images": options.input or f"{data.source} {options.split}",
        "num_images": len(split["image"]),
        "units": "nats per image",
    }
    file = pathlib.Path(path) / "evaluation.json"
    workdir.write_json(file, measured_on | {"metrics": metrics})
    width = max(map(len, metrics))
    say(f"checkpoint {saved.step}, {measured_on['num_images']:,} images of {measured_on['images']}, nats per image")
    say("\n".join(f"  {name:<{width}}  {value:.4f}" for name, value in sorted(metrics.items())))
    say(f"wrote {file}")
    return metrics
