"""A run's configuration: as JSON and back, checked field by field, compared on resume.

The fields and their defaults stand in `configs/base.py`; here is what values they may take.
"""

import difflib
import math
from collections.abc import Callable, Iterable
from typing import Any

from ml_collections import config_dict

from vae_jax import errors

Config = config_dict.ConfigDict

# A run may be resumed with other values of these; everything else shapes its result.
MAY_CHANGE = (
    "num_epochs",
    "num_steps",
    "log_every",
    "eval_every",
    "checkpoint_every",
    "image_every",
    "keep",
    "max_skips",
    "data.dir",
    "data.cache_dir",
    "data.placement",
)

# Fields that runs were saved before, and the value that those were made with. A new field gets its line here.
ADDED = {"data.valid_fraction": 0.1}


def to_json(config: Config) -> dict[str, Any]:
    """Return the configuration as plain dicts, numbers, strings and lists, references resolved."""
    return config.to_dict()


def from_json(tree: dict[str, Any]) -> Config:
    """Rebuild a locked ConfigDict from `to_json`'s dict as JSON gives it back (lists become tuples).

    Raises:
        errors.UserError: no configuration could be this; whether its values can be is `validate`'s to say.
    """

    def restore(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: restore(item) for name, item in value.items()}
        return tuple(restore(item) for item in value) if isinstance(value, list) else value

    try:
        return config_dict.ConfigDict(restore(tree), convert_dict=True).lock()
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise errors.UserError(f"this is not a run's configuration ({error}); restore it from where it was") from None


def from_run(tree: dict[str, Any]) -> Config:
    """Rebuild what a run stored, by `from_json`, with the fields of ADDED that are younger than the run."""
    config = from_json(tree).unlock()
    for name, value in ADDED.items():
        section, _, field = name.rpartition(".")
        holder = _at(config, section)
        if isinstance(holder, config_dict.ConfigDict) and field not in holder:
            holder[field] = value
    return config.lock()


def flatten(config: Config | dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return {dotted field name: value}; an empty section appears as itself."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, config_dict.ConfigDict | dict) and len(value):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "did you mean a or b?" for a name that is not among the known ones."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"


def contradictions(stored: Config, asked: Config) -> list[str]:
    """Return a line for each field on which a workdir's run and the one asked for differ, save MAY_CHANGE."""
    old, new = (
        {name: value for name, value in flatten(to_json(config)).items() if name not in MAY_CHANGE}
        for config in (stored, asked)
    )
    absent = "(absent)"
    return [
        f"{name} is {old.get(name, absent)} there and {new.get(name, absent)} here"
        for name in sorted(old.keys() | new.keys())
        if old.get(name, absent) != new.get(name, absent)
    ]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _sizes(value: Any, length: int | None = None) -> bool:
    return (
        isinstance(value, tuple | list)
        and all(_integer(v) and v > 0 for v in value)
        and len(value) in (range(1, 33) if length is None else (0, length))
    )


def _pair(value: Any, *allowed: tuple[float, float]) -> bool:
    return isinstance(value, tuple | list) and tuple(value) in allowed


def _keyword(value: Any) -> bool:
    """Whether a term's keyword may have this value: a finite number, true or false, text; lists of them."""
    if isinstance(value, tuple | list):
        return all(_keyword(item) for item in value)
    return isinstance(value, bool | str) or _number(value)


def _one_of(*names: str) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: value in names), f"must be one of {', '.join(names)}"


_COUNT = (lambda v: _integer(v) and v >= 1), "must be a whole number, 1 or more"
_COUNT_OR_ZERO = (lambda v: _integer(v) and v >= 0), "must be a whole number, 0 or more"
_OPTIONAL_COUNT = (
    (lambda v: v is None or (_integer(v) and v >= 0)),
    "must be a whole number of steps, 0 or more",
)
_POSITIVE = (lambda v: _number(v) and v > 0), "must be a number above 0"
_NOT_NEGATIVE = (lambda v: _number(v) and v >= 0), "must be a number, 0 or more"
_FRACTION = (lambda v: _number(v) and 0 <= v < 1), "must be a number from 0 up to, not including, 1"
_FLAG = (lambda v: isinstance(v, bool)), "must be true or false"
_TEXT = (lambda v: isinstance(v, str)), "must be text"

# The sections whose fields are the keywords of a function.
SECTIONS = ("objective.reconstruction", "objective.rate", "objective.penalties", "objective.options")

RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "seed": ((lambda v: _integer(v) and 0 <= v < 2**32), "must be a whole number from 0 to 2**32 - 1"),
    "num_epochs": _COUNT,
    "num_steps": _OPTIONAL_COUNT,
    "log_every": _COUNT,
    "eval_every": _COUNT,
    "checkpoint_every": _COUNT,
    "image_every": _COUNT,
    "keep": _COUNT,
    "precision": _one_of("float32", "tf32", "bfloat16"),
    "parallel": _one_of("jit", "pmap"),
    "steps_per_call": _COUNT,
    "ema_decay": _FRACTION,
    "on_nonfinite": _one_of("stop", "skip"),
    "max_skips": _COUNT_OR_ZERO,
    "data.source": (
        (lambda v: isinstance(v, str) and bool(v)),
        "must name a source, such as digits or folder",
    ),
    "data.dir": _TEXT,
    "data.cache_dir": _TEXT,
    "data.valid_fraction": _FRACTION,
    "data.batch_size": _COUNT,
    "data.image_size": (
        (lambda v: _sizes(v, 2)),
        "must be HEIGHT,WIDTH in pixels, or () for the source's own",
    ),
    "data.crop": _one_of("none", "center148", "wae140", "square"),
    "data.flip": _FLAG,
    "data.range": ((lambda v: _pair(v, (0.0, 1.0), (-1.0, 1.0))), "must be 0,1 or -1,1"),
    "data.placement": _one_of("auto", "device", "host"),
    "data.binarize": _one_of("none", "dynamic", "threshold"),
    "data.dequantize": _FLAG,
    "model.name": _TEXT,
    "model.image_shape": (
        (lambda v: _sizes(v, 3)),
        "must be HEIGHT,WIDTH,CHANNELS, or () to follow the data",
    ),
    "model.latent_dim": _COUNT,
    "model.hidden_dims": (_sizes, "must be channels of one or more levels, such as 32,64,128"),
    "model.norm": _one_of("batch", "group", "none"),
    "model.activation": _TEXT,
    "objective.name": _TEXT,
    "objective.num_samples": _COUNT,
    "objective.gradient": _one_of("standard", "stl", "dreg"),
    "objective.discriminator.hidden_dims": (_sizes, "must be widths of one or more layers, such as 1000,1000"),
    "objective.discriminator.learning_rate": _POSITIVE,
    "optimizer.name": _one_of("adam", "adamw", "sgd"),
    "optimizer.learning_rate": _POSITIVE,
    "optimizer.schedule": _one_of("constant", "exponential", "cosine", "stages"),
    "optimizer.decay_per_epoch": (
        (lambda v: _number(v) and 0 < v <= 1),
        "must be a number above 0, at most 1",
    ),
    "optimizer.warmup_steps": _COUNT_OR_ZERO,
    "optimizer.weight_decay": _NOT_NEGATIVE,
    "optimizer.clip_norm": _NOT_NEGATIVE,
    "optimizer.eps": _POSITIVE,
}


def validate(config: Config) -> None:
    """Check that every field is there and its value possible.

    Raises:
        errors.UserError: names the first field that is missing or wrong, its value and what it may be.
    """
    flat = {name: value for name, value in flatten(config).items()}
    known = set(RULES)
    for name, value in flat.items():
        if name.startswith(tuple(f"{section}." for section in SECTIONS)):
            if not _keyword(value):
                raise errors.UserError(f"config.{name} must be a finite number, true or false, or text, not {value!r}")
        elif name not in known and name not in SECTIONS:
            raise errors.UserError(f"config.{name} is not a field; {nearest(name, known)}")
    for name, (allowed, meaning) in RULES.items():
        if name not in flat:
            raise errors.UserError(f"config.{name} is missing; start from configs/base.py, which has every field")
        if not allowed(flat[name]):
            raise errors.UserError(f"config.{name} {meaning}, not {flat[name]!r}")
    for name in SECTIONS:
        if not isinstance(_at(config, name), config_dict.ConfigDict):
            raise errors.UserError(f"config.{name} must be a section, as in configs/base.py")
    for name, penalty in config.objective.penalties.items():
        if not isinstance(penalty, config_dict.ConfigDict):
            raise errors.UserError(f"config.objective.penalties.{name} must be a section with a name and a weight")


def _at(config: Any, dotted: str) -> Any:
    """Return a field by its dotted name, None where it is absent."""
    for name in dotted.split("."):
        config = config.get(name) if isinstance(config, config_dict.ConfigDict) else None
    return config
