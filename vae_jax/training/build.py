"""Config to model, objective and optimiser. A wrong name or keyword is refused here, before compilation."""

import functools
import importlib
import inspect
import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import optax

from vae_jax import configuration, errors, models
from vae_jax.losses import objectives, penalties, rate, reconstruction

Config = configuration.Config


def make_model(config: Config) -> models.VAE:
    """Build the model; its output follows from the likelihood's name and the data's range."""
    section = config.objective.reconstruction
    likelihood = section.name if section.name in reconstruction.LIKELIHOODS else "gaussian"
    if config.model.name != "conv":
        raise errors.UserError(f"config.model.name={config.model.name!r} is not a model; known: conv")
    return models.VAE(
        image_shape=tuple(config.model.image_shape),
        latent_dim=config.model.latent_dim,
        hidden_dims=tuple(config.model.hidden_dims),
        likelihood=likelihood,
        data_range=tuple(map(float, config.data.range)),
        norm=config.model.norm,
        activation=config.model.activation,
        precision=config.precision,
    )


def make_objective(config: Config, num_data: int, *, allow_import: bool = True) -> Callable[..., Any]:
    """Build objective(vae, batch, key, step) from `config.objective`; `num_data` is N of the training split."""
    section = config.objective
    function = _lookup(section.name, objectives.OBJECTIVES, "config.objective.name", allow_import)
    accepted = inspect.signature(function).parameters
    bind = functools.partial(_bind, num_data=num_data, allow_import=allow_import)
    likelihoods = {name: likelihood.function for name, likelihood in reconstruction.LIKELIHOODS.items()}
    offered = {
        "reconstruction": lambda: bind(section.reconstruction, likelihoods, "reconstruction"),
        "rate": lambda: bind(section.rate, rate.RATES, "rate"),
        "penalties": lambda: {
            name: (penalty.weight, bind(penalty, penalties.PENALTIES, f"penalties.{name}"))
            for name, penalty in section.penalties.items()
        },
        "num_samples": lambda: section.num_samples,
        "gradient": lambda: section.gradient,
    }
    return functools.partial(function, **{name: make() for name, make in offered.items() if name in accepted})


def make_schedule(config: Config, steps_per_epoch: float, num_steps: int) -> optax.Schedule:
    """Build step -> learning rate: a linear warm-up from 0 times the schedule."""
    section = config.optimizer
    if section.schedule == "exponential":
        schedule = optax.exponential_decay(
            section.learning_rate, steps_per_epoch, section.decay_per_epoch, staircase=True
        )
    elif section.schedule == "cosine":
        schedule = optax.cosine_decay_schedule(section.learning_rate, max(num_steps, 1))
    else:
        schedule = optax.constant_schedule(section.learning_rate)
    if not section.warmup_steps:
        return schedule
    return lambda step: jnp.minimum(1.0, step / section.warmup_steps) * schedule(step)


def make_optimizer(config: Config, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Build the gradient transformation: clipping first, where asked for."""
    section = config.optimizer
    if section.weight_decay and section.name != "adamw":
        raise errors.UserError("config.optimizer.weight_decay is adamw's; set config.optimizer.name=adamw or 0")
    transformation = {
        "adam": lambda: optax.adam(schedule, eps=section.eps),
        "adamw": lambda: optax.adamw(schedule, eps=section.eps, weight_decay=section.weight_decay),
        "sgd": lambda: optax.sgd(schedule),
    }[section.name]()
    return (
        optax.chain(optax.clip_by_global_norm(section.clip_norm), transformation)
        if section.clip_norm
        else transformation
    )


def count_steps(config: Config, num_data: int) -> int:
    """Return the run's length in steps: `num_steps`, or the steps that see `num_epochs` passes."""
    if config.num_steps is not None:
        return config.num_steps
    return math.ceil(config.num_epochs * num_data / config.data.batch_size)


def _bind(
    section: Config,
    functions: Mapping[str, Callable[..., Any]],
    where: str,
    *,
    num_data: int,
    allow_import: bool,
) -> Callable[..., Any]:
    """Bind a section's keywords to the function it names; its `weight` is its caller's."""
    where = f"config.objective.{where}"
    if "name" not in section:
        raise errors.UserError(f"{where} names no function; set {where}.name")
    function = _lookup(section.name, functions, f"{where}.name", allow_import)
    keywords = {name: value for name, value in section.items() if name not in ("name", "weight")}
    accepted = {
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    for name in keywords:
        if name not in accepted:
            taken = ", ".join(sorted(accepted)) or "no keywords"
            raise errors.UserError(f"{where}.{name}: {section.name} takes no {name}; it takes {taken}")
    if "num_data" in accepted:
        keywords.setdefault("num_data", num_data)
    return functools.partial(function, **keywords)


def _lookup(
    name: str, functions: Mapping[str, Callable[..., Any]], where: str, allow_import: bool
) -> Callable[..., Any]:
    if ":" not in name:
        if name not in functions:
            raise errors.UserError(f"{where}={name!r} is not known; {configuration.nearest(name, functions)}")
        return functions[name]
    if not allow_import:
        raise errors.UserError(f"{where} is {name!r}, code outside this project; say --allow_import to import it")
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise errors.UserError(f"{where}={name!r} cannot be imported: {error}") from None
