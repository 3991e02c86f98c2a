"""The command line as a Command: which mode, in which directory, with which options.

The flags and their meanings stand in `options`, a configuration is made in `config_file`. `main` calls `parse`.
"""

import os
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

from absl import flags

from vae_jax import errors
from vae_jax.cli import config_file, options, values

COMMON = {
    "mode": ("train", f"What is done: {', '.join(options.MODES)}."),
    "workdir": (None, "The run's directory. Default: runs/<config>, or runs/<config>-<recipe>."),
    "config": (
        None,
        f"A config file, or the name of a bundled one, with :NAME for a recipe or preset. "
        f"Default: {config_file.DEFAULT}.",
    ),
}


class Command(NamedTuple):
    """What the command line asks for."""

    mode: str
    workdir: str
    options: options.Options


def parse(words: list[str]) -> Command:
    """Return the command that the words after the program's name ask for.

    Raises:
        errors.UserError: a flag that the mode does not take, an unknown mode, config file, recipe or field, or a
            value that a flag or a field cannot have.
    """
    mode = mode_of(words)
    known = options.flags_of(mode)
    flag_values, rest = _read(words, known)
    for word in rest:
        if not (mode == "train" and word.startswith(("--config.", "--noconfig.", "-config."))):
            raise errors.UserError(_refusal(word, mode))
    given = {field.name: flag_values[name].value for name, field in known.items() if flag_values[name].present}
    if mode == "train":
        path, recipe = config_file.split_recipe(flag_values["config"].value or config_file.DEFAULT)
        given["config"] = config_file.override(config_file.load(path, recipe), rest)
    elif flag_values["config"].present and flag_values["workdir"].present:
        raise errors.UserError(f"--mode {mode} reads the configuration of the run in --workdir; leave --config out")
    return Command(mode, _workdir(flag_values), options.MODES[mode](**given))


def mode_of(words: list[str]) -> str:
    """Return the mode that the words name; the last one counts.

    Raises:
        errors.UserError: there is no such mode.
    """
    mode = "train"
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in ("--mode", "-mode"):
            mode = value if equals else " ".join(words[index + 1 : index + 2])
    if mode not in options.MODES:
        raise errors.UserError(f"--mode={mode} is not a mode; {errors.did_you_mean(mode, options.MODES)}")
    return mode


class _Parser(flags.ArgumentParser):
    """absl's parser of a flag's text, made of a function of `values`."""

    def __init__(self, read: Callable[[str], Any]):
        self._read = read

    def parse(self, argument: str) -> Any:
        return self._read(argument)


def _read(words: list[str], known: dict[str, Any]) -> tuple[flags.FlagValues, list[str]]:
    """Return the values of the flags in the words, and the words that are none of the flags."""
    flag_values = flags.FlagValues()
    for name in COMMON:
        flags.DEFINE(_Parser(values.path), name, None, "", flag_values=flag_values)
    for name, field in known.items():
        read = field.metadata["read"]
        if read is bool:
            flags.DEFINE_boolean(name, None, "", flag_values=flag_values)
        else:
            flags.DEFINE(_Parser(read), name, None, "", flag_values=flag_values)
    try:
        return flag_values, flag_values(["", *_joined(words)], known_only=True)[1:]
    except flags.Error as error:
        raise errors.UserError(" ".join(str(error).removeprefix("flag ").split())) from None


def _joined(words: list[str]) -> list[str]:
    """Turn `--config.x VALUE` into `--config.x=VALUE`, so that every word can be read by itself."""
    joined: list[str] = []
    for word in words:
        opened = bool(joined) and joined[-1].startswith(("--config.", "-config.")) and "=" not in joined[-1]
        if opened and not word.startswith("--"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _workdir(flag_values: flags.FlagValues) -> str:
    """Return --workdir, by default runs/<config> or runs/<config>-<recipe>."""
    if flag_values["workdir"].value:
        return flag_values["workdir"].value
    path, recipe = config_file.split_recipe(flag_values["config"].value or config_file.DEFAULT)
    name = pathlib.Path(path).stem
    return os.path.join("runs", f"{name}-{recipe}" if recipe else name)


def _refusal(word: str, mode: str) -> str:
    """Return one line that says why a word is no flag of the mode, and which flags the mode takes."""
    if not word.startswith("-"):
        return f"{word} is not a flag; flags start with --, and --help lists them"
    name = word.lstrip("-").partition("=")[0]
    taken = [*COMMON, *options.flags_of(mode)]
    known = {flag for other in options.MODES for flag in options.flags_of(other)}
    plain = name if name in known else name.removeprefix("no")  # --noNAME is how a flag without a value is switched off
    if plain in known or plain.startswith("config."):
        fields = ["config.FIELD"] if mode == "train" else []
        return f"--mode {mode} takes no --{name}; it takes {', '.join(f'--{flag}' for flag in [*taken, *fields])}"
    return f"{word} is not a flag; {errors.did_you_mean(f'--{name}', [f'--{flag}' for flag in taken])}"
