"""The values that each field of a configuration may take.

The fields and their defaults are in `configs/base.py`. Keywords of the objective's functions are checked by `build`,
which knows the functions.
"""

import math
from collections.abc import Callable
from typing import Any

from vae_jax import errors
from vae_jax.config import Config, serialization


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
SECTIONS = (
    "objective.reconstruction",
    "objective.rate",
    "objective.penalties",
    "objective.options",
    "model.latents",
    "model.prior",
    "model.encoder_options",
    "model.decoder_options",
)

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
    "data.label_names": (
        (lambda v: isinstance(v, tuple | list) and all(isinstance(n, str) for n in v)),
        "must be names",
    ),
    "data.valid_fraction": _FRACTION,
    "data.layout": _one_of("auto", "splits", "classes", "flat"),
    "data.split_file": _TEXT,
    "data.duplicates": _one_of("group", "keep", "drop"),
    "data.value_range": (
        (
            lambda v: (
                isinstance(v, tuple | list) and len(v) in (0, 2) and all(map(_number, v)) and sorted(set(v)) == list(v)
            )
        ),
        "must be LOW,HIGH, the values of black and white, or ()",
    ),
    "data.axes": _TEXT,
    "data.frames": _one_of("first", "all"),
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
    "model.encoder": _TEXT,
    "model.decoder": _TEXT,
    "model.critic.name": _one_of("none", "code"),
    "model.critic.hidden_dims": (_sizes, "must be widths of one or more layers, such as 1000,1000"),
    "model.norm": _one_of("batch", "group", "none"),
    "model.activation": _TEXT,
    "objective.name": _TEXT,
    "objective.num_samples": _COUNT,
    "objective.gradient": _one_of("standard", "stl", "dreg"),
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
    "optimizer.critic.learning_rate": _POSITIVE,
    "optimizer.critic.b1": _FRACTION,
    "optimizer.critic.b2": _FRACTION,
    "given.objective": _TEXT,
    "given.model": _TEXT,
    "given.images": _TEXT,
    "given.labels": _TEXT,
}


def validate(config: Config) -> None:
    """Check that every field is there and its value possible.

    Raises:
        errors.UserError: names the first field that is missing or wrong, its value and what it may be.
    """
    flat = serialization.flatten(config)
    known = set(RULES)
    for name, value in flat.items():
        if name.startswith(tuple(f"{section}." for section in SECTIONS)):
            if not _keyword(value):
                raise errors.UserError(f"config.{name} must be a finite number, true or false, or text, not {value!r}")
        elif name not in known and name not in SECTIONS:
            raise errors.UserError(f"config.{name} is not a field; {errors.did_you_mean(name, known)}")
    for name, (allowed, meaning) in RULES.items():
        if name not in flat:
            raise errors.UserError(f"config.{name} is missing; start from configs/base.py, which has every field")
        if not allowed(flat[name]):
            raise errors.UserError(f"config.{name} {meaning}, not {flat[name]!r}")
    for name in SECTIONS:
        if not isinstance(_at(config, name), Config):
            raise errors.UserError(f"config.{name} must be a section, as in configs/base.py")
    for name, penalty in config.objective.penalties.items():
        if not isinstance(penalty, Config):
            raise errors.UserError(f"config.objective.penalties.{name} must be a section with a name and a weight")


def _at(config: Any, dotted: str) -> Any:
    """Return a field by its dotted name, None where it is absent."""
    for name in dotted.split("."):
        config = config.get(name) if isinstance(config, Config) else None
    return config
