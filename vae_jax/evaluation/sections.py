"""`evaluate`: every section of an evaluation of a trained model on a set of images. `--mode evaluate` calls it."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from vae_jax.config import Config, build
from vae_jax.data import batches
from vae_jax.evaluation import aggregate, collapse, disentanglement, elbo, encodings, finite, image_sets
from vae_jax.evaluation.bound_section import bound_section
from vae_jax.evaluation.features import random_features
from vae_jax.evaluation.image_sets import Comparison
from vae_jax.evaluation.inputs import inputs
from vae_jax.random import fold_in_name


def evaluate(
    model: Any,
    variables: Any,
    config: Config,
    images: np.ndarray,
    key: jax.Array | None = None,
    *,
    objective: Callable[..., Any] | None = None,
    step: int = 0,
    factors: np.ndarray | None = None,
    num_images: int = 1000,
    num_samples: int = 100,
    comparison: Comparison | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the sections of an evaluation, by name, as JSON takes them; docs/evaluation.md says what each number is.

    The same arguments give the same numbers. Nothing is written.

    Args:
        model: the module, as `vae_jax.restore` returns it.
        variables: its parameters and collections.
        config: the run's configuration: the objective, the batch size and the seed.
        images: uint8 [N, H, W, C].
        key: the source of all noise; None is the key that training evaluates with.
        objective: (vae, batch, key, step) -> (loss, metrics), in place of the configuration's.
        step: the train step, which sets where the objective's schedules stand.
        factors: [N, F], the images' factors of variation, for the section on disentanglement.
        num_images: images in what is costly, a fixed random choice: the importance-weighted bound, the split on the
            aggregate posterior, and the sets of generated images.
        num_samples: K of the importance-weighted bound.
        comparison: what generated images are compared by and with; None is a random network's features.

    Returns:
        metrics, bound, reconstruction, latents, aggregate, generated and, with factors, disentanglement. What has no
        meaning for the model is absent, with the reason in its place.

    Raises:
        errors.UserError: a weight, an output or a number is not finite; the objective was given from Python when the
            model was trained, and is not given here.
    """
    finite.check_variables(variables)
    objective = objective or build.make_eval_objective(config, len(images))
    comparison = comparison or Comparison(random_features(images.shape[1:]))
    key = fold_in_name(jax.random.key(config.seed), "eval") if key is None else key
    prepare, batch_size = batches.make_prepare(model, flip=False), config.data.batch_size

    encoded = encodings.encode(model, variables, inputs(prepare, images, batch_size, key), batch_size, key)
    for what, arrays in (("the code", encoded.code), ("the KL", encoded.kl), ("the reconstruction", encoded.measures)):
        finite.check_images(what, arrays)
    eval_step = elbo.make_eval_step(model, objective, prepare)
    metrics = elbo.evaluate(eval_step, variables, images, batch_size, key, step)
    sections = {
        "metrics": metrics,
        "bound": bound_section(
            model,
            variables,
            objective,
            metrics,
            prepare,
            images,
            key,
            batch_size=batch_size,
            num_images=num_images,
            num_samples=num_samples,
        ),
        "reconstruction": {name: float(values.mean()) for name, values in encoded.measures.items()},
        "latents": collapse.section(encoded),
        "aggregate": aggregate.section(model, variables, encoded, fold_in_name(key, "aggregate"), num_images),
        "generated": image_sets.section(model, variables, images, encoded, key, num_images, comparison),
    }
    if factors is not None:
        key = fold_in_name(key, "disentanglement")
        sections["disentanglement"] = disentanglement.scores(key, encoded.code, encoded.posterior, np.asarray(factors))
    finite.check_numbers(sections)
    return sections
