"""Config to model and objective. A wrong name or keyword is refused here, before compilation."""

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from vae_jax import errors, models
from vae_jax.config import Config, given, lookup, serialization
from vae_jax.distributions import LIKELIHOODS, Gaussian
from vae_jax.losses import objectives, penalties, rate, reconstruction


def make_model(config: Config, *, allow_import: bool = True) -> Any:
    """Build the model; its output follows from the likelihood's name and the data's range.

    `config.model.name` may be "module:Class", a module of the user's own that takes `models.VAE`'s attributes.
    """
    given.refuse_lacking(config, "model")
    section = config.objective.reconstruction
    towers = {name: functools.partial(models.VAE, tower=name) for name in models.TOWERS}
    model = lookup.lookup(config.model.name, towers, "config.model.name", allow_import)
    critic = config.model.critic
    return model(
        image_shape=tuple(config.model.image_shape),
        latent_dim=config.model.latent_dim,
        hidden_dims=tuple(config.model.hidden_dims),
        likelihood=section.name if section.name in LIKELIHOODS else "gaussian",
        data_range=tuple(map(float, config.data.range)),
        norm=config.model.norm,
        activation=config.model.activation,
        precision=config.precision,
        encoder=_own_network(config, "encoder", allow_import),
        decoder=_own_network(config, "decoder", allow_import),
        latents=lookup.check_known("config.model.latents.name", config.model.latents.name, models.HEADS),
        prior_std=float(config.model.prior.std),
        critic=None if critic.name == "none" else models.CodeCritic(tuple(critic.hidden_dims)),
        binarize=config.data.binarize,
        dequantize=config.data.dequantize,
    )


def _own_network(config: Config, part: str, allow_import: bool) -> Any:
    """Return the user's own encoder or decoder, made with its own keywords, or None where the tower's is used.

    Raises:
        errors.UserError: the name cannot be imported, or the module does not take the keywords.
    """
    name, options = config.model[part], dict(config.model[f"{part}_options"])
    if not name:
        if options:
            raise errors.UserError(f"config.model.{part}_options is for a network of your own: set config.model.{part}")
        return None
    network = lookup.lookup(name, {}, f"config.model.{part}", allow_import)
    try:
        return network(**options)
    except TypeError as error:
        raise errors.UserError(f"config.model.{part}_options: {name} cannot be made with them: {error}") from None


def with_inputs_of(config: Config, model: Any) -> Any:
    """Return a model that was given from Python, which takes images as `config.data` says.

    Raises:
        errors.UserError: the model is for images of another shape.
    """
    if tuple(model.image_shape) != tuple(config.model.image_shape):
        raise errors.UserError(
            f"the model is for images {tuple(model.image_shape)}, and these data have images "
            f"{tuple(config.model.image_shape)}: set config.data.image_size, or build the model for them"
        )
    data = config.data
    fields = {"data_range": tuple(map(float, data.range)), "binarize": data.binarize, "dequantize": data.dequantize}
    return model.clone(**{name: value for name, value in fields.items() if hasattr(model, name)})


def make_prior(config: Config) -> Gaussian:
    """Build p(z) from `config.model.prior`, with parameters [latent_dim]; penalties compare codes with it."""
    mean = jnp.zeros(config.model.latent_dim, jnp.float32)
    return Gaussian(mean, jnp.full_like(mean, 2.0 * math.log(config.model.prior.std)))


def make_objective(config: Config, num_data: int, *, allow_import: bool = True) -> objectives.Objective:
    """Build objective(vae, batch, key, step) from `config.objective`.

    Args:
        num_data: N of the training split.
        allow_import: whether the configuration may name code of the user's own, "module:function".

    Raises:
        errors.UserError: an unknown name, or a keyword that its function does not take.
    """
    given.refuse_lacking(config, "objective")
    section = config.objective
    function = lookup.lookup(section.name, objectives.OBJECTIVES, "config.objective.name", allow_import)
    accepted = inspect.signature(function).parameters
    known = {
        "num_data": num_data,
        "data_range": tuple(map(float, config.data.range)),
        "prior": make_prior(config),
    }
    bind = functools.partial(lookup.bind, known=known, allow_import=allow_import)
    offered = {
        "reconstruction": lambda: bind(section.reconstruction, reconstruction.RECONSTRUCTIONS, "reconstruction"),
        "rate": lambda: bind(section.rate, rate.RATES, "rate"),
        "penalties": lambda: {
            name: (_weight(penalty, name), bind(penalty, penalties.PENALTIES, f"penalties.{name}"))
            for name, penalty in section.penalties.items()
        },
        "num_samples": lambda: section.num_samples,
        "gradient": lambda: section.gradient,
    }
    keywords = {name: make() for name, make in offered.items() if name in accepted}
    for name, value in section.options.items():
        if name not in accepted or name in offered:
            taken = sorted(accepted.keys() - offered.keys() - {"vae", "batch", "key", "step"})
            raise errors.UserError(
                f"config.objective.options.{name}: {section.name} takes no {name}; it takes {lookup.listed(taken)}"
            )
        keywords[name] = lookup.read_value(value)
    return functools.partial(function, **keywords)


def make_eval_objective(config: Config, num_data: int, *, allow_import: bool = True) -> objectives.Objective:
    """Build the objective that evaluation reports: the run's own, save for FactorVAE.

    Its objective decodes one half of a batch and trains a discriminator on the other; evaluated is its ELBO, on every
    image.
    """
    name = objectives.EVALUATED_BY.get(config.objective.name)
    if name is None:
        return make_objective(config, num_data, allow_import=allow_import)
    plain = serialization.from_json(serialization.to_json(config)).unlock()
    plain.objective.name, plain.objective.options = name, {}
    return make_objective(plain, num_data, allow_import=allow_import)


def count_steps(config: Config, num_data: int) -> int:
    """Return the run's length in steps: `num_steps`, or the steps that see `num_epochs` passes."""
    if config.num_steps is not None:
        return config.num_steps
    return math.ceil(config.num_epochs * num_data / config.data.batch_size)


def find_features(name: str, *, allow_import: bool) -> Callable[..., Any]:
    """Return the function `--features` names, "module:function"."""
    if ":" not in name:
        raise errors.UserError(f"--features={name} names no function; say my_module:my_function")
    return lookup.lookup(name, {}, "--features", allow_import)


def _weight(penalty: Config, name: str) -> Any:
    if "weight" not in penalty:
        raise errors.UserError(f"config.objective.penalties.{name} has no weight; set it, in nats per unit of the term")
    weight = lookup.read_value(penalty.weight)
    if isinstance(weight, bool) or not (callable(weight) or isinstance(weight, int | float)):
        raise errors.UserError(
            f"config.objective.penalties.{name}.weight must be a number or a schedule, not {weight!r}"
        )
    return weight
