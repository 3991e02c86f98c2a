"""Config to model and objective. A wrong name or keyword is refused here, before compilation."""

import functools
import importlib
import inspect
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax

from vae_jax import errors, models
from vae_jax.config import configuration
from vae_jax.data import batches
from vae_jax.losses import objectives, penalties, rate, reconstruction

Config = configuration.Config
Functions = Mapping[str, Callable[..., Any]]


def make_model(config: Config, *, allow_import: bool = True) -> Any:
    """Build the model; its output follows from the likelihood's name and the data's range.

    `config.model.name` may be "module:Class", a module of the user's own that takes `models.VAE`'s attributes.
    """
    section = config.objective.reconstruction
    model = _lookup(config.model.name, {"conv": models.VAE, "mlp": models.MLP}, "config.model.name", allow_import)
    return model(
        image_shape=tuple(config.model.image_shape),
        latent_dim=config.model.latent_dim,
        hidden_dims=tuple(config.model.hidden_dims),
        likelihood=section.name if section.name in reconstruction.LIKELIHOODS else "gaussian",
        data_range=tuple(map(float, config.data.range)),
        norm=config.model.norm,
        activation=config.model.activation,
        precision=config.precision,
        discriminator_dims=tuple(config.objective.discriminator.hidden_dims) if _has_discriminator(config) else (),
    )


def _has_discriminator(config: Config) -> bool:
    return config.objective.name == "factor"


def make_objective(config: Config, num_data: int, *, allow_import: bool = True) -> objectives.Objective:
    """Build objective(vae, batch, key, step) from `config.objective`.

    Args:
        num_data: N of the training split.
        allow_import: whether the configuration may name code of the user's own, "module:function".

    Raises:
        errors.UserError: an unknown name, or a keyword that its function does not take.
    """
    section = config.objective
    function = _lookup(section.name, objectives.OBJECTIVES, "config.objective.name", allow_import)
    accepted = inspect.signature(function).parameters
    given = {"num_data": num_data, "data_range": tuple(map(float, config.data.range))}
    bind = functools.partial(_bind, given=given, allow_import=allow_import)
    likelihoods = {name: likelihood.function for name, likelihood in reconstruction.LIKELIHOODS.items()}
    offered = {
        "reconstruction": lambda: bind(section.reconstruction, likelihoods, "reconstruction"),
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
    if not _has_discriminator(config):
        return make_objective(config, num_data, allow_import=allow_import)
    plain = configuration.from_json(configuration.to_json(config)).unlock()
    plain.objective.name, plain.objective.options = "elbo", {}
    return make_objective(plain, num_data, allow_import=allow_import)


def make_prepare(config: Config, *, flip: bool) -> Callable[..., jax.Array]:
    """Build prepare(images, key): uint8 images [B, H, W, C] as the model takes them, from `config.data`."""
    data = config.data
    return functools.partial(
        batches.prepare, range=tuple(data.range), flip=flip, binarize=data.binarize, dequantize=data.dequantize
    )


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
    section: Config, functions: Functions, where: str, *, given: Mapping[str, Any], allow_import: bool
) -> Callable[..., Any]:
    """Bind a section's keywords to the function it names, and what is `given` where the function asks for it.

    A penalty's `weight` is its caller's.
    """
    where = f"config.objective.{where}"
    if "name" not in section:
        raise errors.UserError(f"{where} names no function; set {where}.name")
    function = _lookup(section.name, functions, f"{where}.name", allow_import)
    parameters = inspect.signature(function).parameters.values()
    accepted = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    keywords = {name: given[name] for name in accepted & given.keys()}
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
    if not isinstance(value, configuration.Config):
        return value
    import optax  # here alone: a trained model is built without it, but for such a section

    keywords = dict(value.items())
    name = keywords.pop("schedule", "")
    try:
        return getattr(optax.schedules, name)(**keywords)
    except (AttributeError, TypeError) as error:
        raise errors.UserError(f"{{{', '.join(value)}}} is not a schedule of optax: {error}") from None


def _lookup(name: str, functions: Functions, where: str, allow_import: bool) -> Callable[..., Any]:
    if not isinstance(name, str):
        raise errors.UserError(f"{where}={name!r} is not a name; {configuration.nearest('', functions)}")
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
    except Exception as error:  # the user's own code, which may raise anything
        raise errors.UserError(f"{where}={name!r} cannot be imported: {type(error).__name__}: {error}") from None
