"""A configuration from the command line: the config file, its recipe, and the overrides of single fields.

What the fields are and which values they may have stands in `configs/base.py` and `vae_jax.config`. `parse` calls this.
"""

import ast
import contextlib
import importlib.util
import inspect
import os
import pathlib
import traceback
from collections.abc import Iterator
from typing import Any

from absl import flags
from ml_collections import config_flags

import vae_jax
from vae_jax import errors
from vae_jax.config import Config, serialization

BUNDLED = pathlib.Path(vae_jax.__file__).resolve().parent / "configs"
DEFAULT = "configs/digits.py"
NOT_CONFIGS = ("__init__", "base", "presets")  # files of BUNDLED that define no get_config() of a run
PATHS = ("dir", "cache_dir")  # the fields of config.data that are paths
KEYWORDS = ("model.encoder_options", "model.decoder_options")  # sections to which the command line may add fields


def split_recipe(given: str) -> tuple[str, str]:
    """Split "configs/celeba.py:head2021" into the file and the recipe; "" is no recipe."""
    if pathlib.Path(given).is_file():
        return given, ""
    path, _, recipe = given.partition(":")
    return path, recipe


def find(path: str) -> pathlib.Path:
    """Return the config file that `path` means: a file of that path, otherwise the bundled file of that name.

    `configs/celeba.py`, `celeba.py` and `celeba` all mean the bundled celeba.py where there is no such file.

    Raises:
        errors.UserError: there is neither.
    """
    given = pathlib.Path(path).expanduser()
    if given.is_file():
        return given
    name = given.name if given.parent.as_posix() in (".", "configs") else ""
    bundled = BUNDLED / (name if name.endswith(".py") else f"{name}.py")
    if name and bundled.is_file():
        return bundled
    known = sorted(file.stem for file in BUNDLED.glob("*.py") if file.stem not in NOT_CONFIGS)
    raise errors.UserError(f"no config file {path}; give the path of one, or a bundled one: {', '.join(known)}")


def load(path: str, recipe: str) -> Config:
    """Return get_config(recipe) of a config file.

    Raises:
        errors.UserError: there is no such file or recipe, or the file is not a config file, or the file fails.
    """
    file = find(path)
    spec = importlib.util.spec_from_file_location(f"config_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise errors.UserError(f"{path} is not a Python file; a config is a Python file that defines get_config()")
    module = importlib.util.module_from_spec(spec)
    with _naming_the_line(file):
        spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise errors.UserError(f"{path} defines no get_config(); see configs/digits.py")
    if recipe and not inspect.signature(module.get_config).parameters:
        raise errors.UserError(f"{path} has no recipes; leave out :{recipe}")
    with _naming_the_line(file):
        config = module.get_config(recipe) if recipe else module.get_config()
    if not isinstance(config, Config):
        raise errors.UserError(f"{path}: get_config() must return a ConfigDict, not {config!r}; see configs/digits.py")
    return config


@contextlib.contextmanager
def _naming_the_line(file: pathlib.Path) -> Iterator[None]:
    """Turn any exception of a user's config file into one line that names the place in the file."""
    try:
        yield
    except errors.UserError:
        raise
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        place = f"{file}, line {lines[-1]}" if lines else str(file)  # a SyntaxError's own message names the line
        raise errors.UserError(f"{place}: {type(error).__name__}: {error}") from None


def override(config: Config, words: list[str]) -> Config:
    """Return the config with the words `--config.a.b=value` applied, each value of the type of its field.

    A field of a section of KEYWORDS need not be there before: its value is read as Python's literal, or else as text.

    Raises:
        errors.UserError: there is no such field, or the value is of another type.
    """
    known = {name for name, value in serialization.flatten(config).items() if not isinstance(value, dict)}
    typed = []
    for word in words:
        name, _, value = word.lstrip("-").partition("=")
        field = name.removeprefix("noconfig.").removeprefix("config.")
        section, _, keyword = field.rpartition(".")
        if field not in known and section in KEYWORDS and keyword:
            config[section.split(".")[0]][section.split(".")[1]][keyword] = _literal(value)
            continue
        if field not in known:
            raise errors.UserError(f"--config.{field} is not a field; {errors.did_you_mean(field, known)}")
        typed.append(word)
    values = flags.FlagValues()
    arguments = ["", *typed]
    try:
        holder = config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=arguments)
        values(arguments)
    except (flags.Error, TypeError, ValueError, AttributeError) as error:
        raise errors.UserError(" ".join(str(error).removeprefix("flag ").split())) from None
    return _with_home(holder.value)


def _literal(text: str) -> Any:
    """Return the number, truth value or tuple that the text writes in Python's way, or else the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _with_home(config: Config) -> Config:
    """Return the config with a leading ~ of its paths replaced by the home directory."""
    data = config.get("data")
    if isinstance(data, Config):
        with data.unlocked():
            for name in PATHS:
                if isinstance(value := data.get(name), str):
                    data[name] = os.path.expanduser(value)
    return config
