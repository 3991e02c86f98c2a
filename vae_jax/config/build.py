"""Config to model and objective. A wrong name or keyword is refused here, before compilation."""

import functools
import importlib
import inspect
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax.numpy as jnp

from vae_jax import errors, models
from vae_jax.config import Config, given, serialization
from vae_jax.distributions import LIKELIHOODS, Gaussian
from vae_jax.losses import objectives, penalties, rate, reconstruction

Functions = Mapping[str, Callable[..., Any]]


def make_model(config: Config, *, allow_import: bool = True) -> Any:
    """Build the model; its output follows from the likelihood's name and the data's range.

    `config.model.name` may be "module:Class", a module of the user's own that takes `models.VAE`'s attributes.
    """
    given.refuse_lacking(config, "model")
    section = config.objective.reconstruction
    towers = {name: functools.partial(models.VAE, tower=name) for name in models.TOWERS}
    model = _lookup(config.model.name, towers, "config.model.name", allow_import)
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
        latents=_known("config.model.latents.name", config.model.latents.name, models.HEADS),
        prior_std=float(config.model.prior.std),
        critic=None if critic.name == "none" else models.CodeCritic(tuple(critic.hidden_dims)),
        binarize=config.data.binarize,
        dequantize=config.data.dequantize,
    )


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
    """Build p(z) from `config.model.prior`, with parameters [latent_dim]: the distribution that penalties compare with."""
    mean = jnp.zeros(config.model.latent_dim, jnp.float32)
    return Gaussian(mean, jnp.full_like(mean, 2.0 * math.log(config.model.prior.std)))


def _known(where: str, name: str, table: Mapping[str, Any]) -> str:
    """Return a name that is in a table, or refuse another by the field's name."""
    if name not in table:
        raise errors.UserError(f"{where}={name!r} is not known; {errors.did_you_mean(name, table)}")
    return name


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
    function = _lookup(section.name, objectives.OBJECTIVES, "config.objective.name", allow_import)
    accepted = inspect.signature(function).parameters
    known = {
        "num_data": num_data,
        "data_range": tuple(map(float, config.data.range)),
        "prior": make_prior(config),
    }
    bind = functools.partial(_bind, known=known, allow_import=allow_import)
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
                f"config.objective.options.{name}: {section.name} takes no {name}; it takes {_listed(taken)}"
            )
        keywords[name] = _value(value)
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
    return _lookup(name, {}, "--features", allow_import)


def _bind(
    section: Config, functions: Functions, where: str, *, known: Mapping[str, Any], allow_import: bool
) -> Callable[..., Any]:
    """Bind a section's keywords to the function it names, and what is `known` where the function asks for it.

    A penalty's `weight` is its caller's.
    """
    where = f"config.objective.{where}"
    if "name" not in section:
        raise errors.UserError(f"{where} names no function; set {where}.name")
    function = _lookup(section.name, functions, f"{where}.name", allow_import)
    parameters = inspect.signature(function).parameters.values()
    accepted = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    keywords = {name: known[name] for name in accepted & known.keys()}
    for name, value in section.items():
        if name in ("name", "weight"):
            continue
        if name not in accepted:
            raise errors.UserError(f"{where}.{name}: {section.name} takes no {name}; it takes {_listed(accepted)}")
        keywords[name] = _value(value)
    missing = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty} - keywords.keys()
    if missing:
        raise errors.UserError(f"{where}: {section.name} needs {_listed(missing)}")
    return functools.partial(function, **keywords)


def _weight(penalty: Config, name: str) -> Any:
    if "weight" not in penalty:
        raise errors.UserError(f"config.objective.penalties.{name} has no weight; set it, in nats per unit of the term")
    weight = _value(penalty.weight)
    if isinstance(weight, bool) or not (callable(weight) or isinstance(weight, int | float)):
        raise errors.UserError(
            f"config.objective.penalties.{name}.weight must be a number or a schedule, not {weight!r}"
        )
    return weight


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "no keywords"


def _value(value: Any) -> Any:
    """A section {"schedule": NAME, ...} as the optax schedule of that name; anything else as it is."""
    if not isinstance(value, Config):
        return value
    import optax  # here alone: a trained model is built without it, but for such a section

    keywords: dict[str, Any] = dict(value.items())
    name = keywords.pop("schedule", "")
    try:
        return getattr(optax.schedules, name)(**keywords)
    except (AttributeError, TypeError) as error:
        raise errors.UserError(f"{{{', '.join(value)}}} is not a schedule of optax: {error}") from None


def _lookup(name: str, functions: Functions, where: str, allow_import: bool) -> Callable[..., Any]:
    if not isinstance(name, str):
        raise errors.UserError(f"{where}={name!r} is not a name; {errors.did_you_mean('', functions)}")
    if ":" not in name:
        if name not in functions:
            raise errors.UserError(f"{where}={name!r} is not known; {errors.did_you_mean(name, functions)}")
        return functions[name]
    if not allow_import:
        raise errors.UserError(f"{where} is {name!r}, code outside this project; say --allow_import to import it")
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # the user's own code, which may raise anything
        raise errors.UserError(f"{where}={name!r} cannot be imported: {type(error).__name__}: {error}") from None
