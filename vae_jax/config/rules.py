"""The values that each field of a configuration may take.

The fields, their defaults and their meaning are in `configs/base.py`. Keywords of functions, such as those of
`objective.rate`, are checked by `build`, which knows the functions. A table of predicates is kept in place of pydantic,
which was tried with the same fields: 112 lines, some 35 more to turn its report into one line that names the field, and
0.25 s at every start for the 0.01 s of this file.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from vae_jax import errors
from vae_jax.config import Config, serialization


class Rule(NamedTuple):
    """What a field's value must be, in words and as a predicate."""

    meaning: str  # "must be ...", which a message continues
    allows: Callable[[Any], bool]


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_integer(value: Any) -> bool:
    """Return whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_list(value: Any) -> bool:
    """Return whether a value is a list, or a tuple, which JSON has as a list."""
    return isinstance(value, tuple | list)


def is_sizes(value: Any, *lengths: int) -> bool:
    """Return whether a value is a list of positive whole numbers that has one of the lengths."""
    return is_list(value) and len(value) in lengths and all(is_integer(v) and v > 0 for v in value)


def is_value_range(value: Any) -> bool:
    """Return whether a value is two ascending numbers, or ()."""
    return is_list(value) and len(value) in (0, 2) and all(map(is_number, value)) and sorted(set(value)) == list(value)


def is_keyword(value: Any) -> bool:
    """Return whether a keyword may have a value: a finite number, true or false, text, or a list of such values."""
    return all(map(is_keyword, value)) if is_list(value) else isinstance(value, bool | str) or is_number(value)


def one_of(*names: str) -> Rule:
    """Return the rule of a field that takes one of several names."""
    return Rule(f"must be one of {', '.join(names)}", lambda value: value in names)


COUNT = Rule("must be a whole number, 1 or more", lambda v: is_integer(v) and v >= 1)
COUNT_OR_ZERO = Rule("must be a whole number, 0 or more", lambda v: is_integer(v) and v >= 0)
POSITIVE = Rule("must be a number above 0", lambda v: is_number(v) and v > 0)
NOT_NEGATIVE = Rule("must be a number, 0 or more", lambda v: is_number(v) and v >= 0)
FRACTION = Rule("must be a number from 0 up to, not including, 1", lambda v: is_number(v) and 0 <= v < 1)
FLAG = Rule("must be true or false", lambda v: isinstance(v, bool))
TEXT = Rule("must be text", lambda v: isinstance(v, str))
SIZES = Rule("must be sizes of one to 32 layers, such as 32,64,128", lambda v: is_sizes(v, *range(1, 33)))

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

RULES: dict[str, Rule] = {
    "seed": Rule("must be a whole number from 0 to 2**32 - 1", lambda v: is_integer(v) and 0 <= v < 2**32),
    "num_epochs": COUNT,
    "num_steps": Rule("must be a whole number of steps, 0 or more", lambda v: v is None or (is_integer(v) and v >= 0)),
    "log_every": COUNT,
    "eval_every": COUNT,
    "checkpoint_every": COUNT,
    "image_every": COUNT,
    "keep": COUNT,
    "precision": one_of("float32", "tf32", "bfloat16"),
    "parallel": one_of("jit", "pmap"),
    "steps_per_call": COUNT,
    "ema_decay": FRACTION,
    "on_nonfinite": one_of("stop", "skip"),
    "max_skips": COUNT_OR_ZERO,
    "data.source": Rule("must name a source, such as digits or folder", lambda v: isinstance(v, str) and v != ""),
    "data.dir": TEXT,
    "data.cache_dir": TEXT,
    "data.label_names": Rule("must be names", lambda v: is_list(v) and all(isinstance(name, str) for name in v)),
    "data.valid_fraction": FRACTION,
    "data.layout": one_of("auto", "splits", "classes", "flat"),
    "data.split_file": TEXT,
    "data.duplicates": one_of("group", "keep", "drop"),
    "data.value_range": Rule("must be LOW,HIGH, the values of black and white, or ()", is_value_range),
    "data.axes": TEXT,
    "data.frames": one_of("first", "all"),
    "data.batch_size": COUNT,
    "data.image_size": Rule("must be HEIGHT,WIDTH in pixels, or () for the source's own", lambda v: is_sizes(v, 0, 2)),
    "data.crop": one_of("none", "center148", "wae140", "square"),
    "data.flip": FLAG,
    "data.range": Rule("must be 0,1 or -1,1", lambda v: is_list(v) and tuple(v) in ((0.0, 1.0), (-1.0, 1.0))),
    "data.placement": one_of("auto", "device", "host"),
    "data.binarize": one_of("none", "dynamic", "threshold"),
    "data.dequantize": FLAG,
    "model.name": TEXT,
    "model.image_shape": Rule("must be HEIGHT,WIDTH,CHANNELS, or () to follow the data", lambda v: is_sizes(v, 0, 3)),
    "model.latent_dim": COUNT,
    "model.hidden_dims": SIZES,
    "model.encoder": TEXT,
    "model.decoder": TEXT,
    "model.critic.name": one_of("none", "code"),
    "model.critic.hidden_dims": SIZES,
    "model.norm": one_of("batch", "group", "none"),
    "model.activation": TEXT,
    "objective.name": TEXT,
    "objective.num_samples": COUNT,
    "objective.gradient": one_of("standard", "stl", "dreg"),
    "optimizer.name": one_of("adam", "adamw", "sgd"),
    "optimizer.learning_rate": POSITIVE,
    "optimizer.schedule": one_of("constant", "exponential", "cosine", "stages"),
    "optimizer.decay_per_epoch": Rule("must be a number above 0, at most 1", lambda v: is_number(v) and 0 < v <= 1),
    "optimizer.warmup_steps": COUNT_OR_ZERO,
    "optimizer.weight_decay": NOT_NEGATIVE,
    "optimizer.clip_norm": NOT_NEGATIVE,
    "optimizer.eps": POSITIVE,
    "optimizer.critic.learning_rate": POSITIVE,
    "optimizer.critic.b1": FRACTION,
    "optimizer.critic.b2": FRACTION,
    "given.objective": TEXT,
    "given.model": TEXT,
    "given.images": TEXT,
    "given.labels": TEXT,
}


def validate(config: Config) -> None:
    """Check that a configuration has every field, no other field, and possible values.

    Raises:
        errors.UserError: names the first field that is missing, unknown or wrong, its value and what it may be.
    """
    flat = serialization.flatten(config)
    for name, value in flat.items():
        if name.startswith(tuple(f"{section}." for section in SECTIONS)):
            if not is_keyword(value):
                raise errors.UserError(f"config.{name} must be a finite number, true or false, or text, not {value!r}")
        elif name not in RULES and name not in SECTIONS:
            raise errors.UserError(f"config.{name} is not a field; {errors.did_you_mean(name, RULES)}")
    for name, rule in RULES.items():
        if name not in flat:
            raise errors.UserError(f"config.{name} is missing; start from configs/base.py, which has every field")
        if not rule.allows(flat[name]):
            raise errors.UserError(f"config.{name} {rule.meaning}, not {flat[name]!r}")
    for name in SECTIONS:
        if not isinstance(field_of(config, name), Config):
            raise errors.UserError(f"config.{name} must be a section, as in configs/base.py")
    for name, penalty in config.objective.penalties.items():
        if not isinstance(penalty, Config):
            raise errors.UserError(f"config.objective.penalties.{name} must be a section with a name and a weight")


def field_of(config: Any, dotted: str) -> Any:
    """Return a field or section by its dotted name, None where the configuration lacks the field."""
    for name in dotted.split("."):
        config = config.get(name) if isinstance(config, Config) else None
    return config
