"""The command line as arguments: flags, the config file with its recipe, and dotted overrides of its fields."""

import contextlib
import importlib.util
import inspect
import math
import os
import pathlib
import sys
import traceback
from collections.abc import Iterator
from typing import NamedTuple

from absl import flags
from ml_collections import config_flags

from vae_jax import cli, errors
from vae_jax.config import configuration

MODES = ("train", *cli.MODES)
DEFAULT_CONFIG = "configs/digits.py"


class Arguments(NamedTuple):
    mode: str
    workdir: str
    config: configuration.Config | None  # of a training
    init_from: str | None
    options: cli.Options  # of the other modes
    processes: tuple[str | None, int | None, int | None]  # coordinator, how many, which one; of a training


def cache_directory() -> pathlib.Path:
    """Return this project's directory under the user's cache directory."""
    root = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(root) / "vae_jax"


def parse(argv: list[str], *, doc: str, home: pathlib.Path) -> Arguments:
    """Read `argv`; `--help` prints and leaves with 0.

    Args:
        argv: program name and arguments.
        doc: what `--help` prints first.
        home: where a config file is looked for that is not under the current directory.

    Raises:
        errors.UserError: an unknown flag, mode, config file, recipe or field, or a value of the wrong type.
    """
    values = _define_flags()
    if any(word in ("--help", "-help", "-h", "--helpfull", "-?") for word in argv[1:]):
        ours = values.module_help(__name__).partition(":\n")[2]  # without the module's name
        print(
            f"{doc}\nFlags:\n{ours}\n\n"
            "Every field of a config is a flag too, such as --config.seed=1: see configs/base.py."
        )
        raise SystemExit(0)
    try:
        rest = values([argv[0], *_joined(argv[1:])], known_only=True)[1:]
    except flags.Error as error:
        raise errors.UserError(_one_line(error)) from None
    if values.mode not in MODES:
        raise errors.UserError(f"--mode={values.mode} is not a mode; {configuration.nearest(values.mode, MODES)}")
    path, _, recipe = (values.config or DEFAULT_CONFIG).partition(":")
    name = f"{pathlib.Path(path).stem}-{recipe}" if recipe else pathlib.Path(path).stem
    workdir = values.workdir or os.path.join("runs", name)
    if values.mode != "train":
        return Arguments(values.mode, workdir, None, None, _options(values, rest), (None, None, None))
    config = _override(load_config(path, recipe, home), rest)
    processes = (values.coordinator, values.num_processes, values.process_id)
    return Arguments("train", workdir, config, values.init_from, cli.Options(), processes)


def load_config(path: str, recipe: str, home: pathlib.Path) -> configuration.Config:
    """Return get_config(recipe) of a config file.

    Raises:
        errors.UserError: there is no such file or recipe, it is not a config file, or it fails.
    """
    file = next((place for place in (pathlib.Path(path), home / path) if place.is_file()), None)
    if file is None:
        known = sorted(
            str(f.relative_to(home))
            for f in (home / "configs").glob("*.py")
            if f.stem not in ("base", "presets", "__init__")
        )
        raise errors.UserError(f"no config file {path}; there are {', '.join(known)}")
    if str(home) not in sys.path:
        sys.path.insert(0, str(home))
    spec = importlib.util.spec_from_file_location(f"config_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise errors.UserError(f"{path} is not a Python file; a config is one that defines get_config()")
    module = importlib.util.module_from_spec(spec)
    with _told_by_line(file):
        spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise errors.UserError(f"{path} defines no get_config(); see configs/digits.py")
    if recipe and not inspect.signature(module.get_config).parameters:
        raise errors.UserError(f"{path} has no recipes; leave out :{recipe}")
    with _told_by_line(file):
        config = module.get_config(recipe) if recipe else module.get_config()
    if not isinstance(config, configuration.Config):
        raise errors.UserError(f"{path}: get_config() must return a ConfigDict, not {config!r}; see configs/digits.py")
    return config


@contextlib.contextmanager
def _told_by_line(file: pathlib.Path) -> Iterator[None]:
    """Turn whatever a user's config file raises into one line that names the place in it."""
    try:
        yield
    except errors.UserError:
        raise
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        place = f"{file}, line {lines[-1]}" if lines else str(file)  # a syntax error says its line itself
        raise errors.UserError(f"{place}: {type(error).__name__}: {error}") from None


def _define_flags() -> flags.FlagValues:
    values = flags.FlagValues()

    def text(name: str, default: str | None, meaning: str) -> None:
        flags.DEFINE_string(name, default, meaning, flag_values=values)

    text(
        "config",
        None,
        f"A config file, with :NAME for one of its recipes or a preset. Default: {DEFAULT_CONFIG}.",
    )
    text("workdir", None, "The run's directory. Default: runs/<config> or runs/<config>-<name>.")
    text("mode", "train", f"One of {', '.join(MODES)}.")
    text("init_from", None, "train: another run's workdir, whose weights a new run starts from.")
    text("coordinator", None, "train: HOST:PORT of process 0, where no cluster says so; see docs/scaling.md.")
    for name, meaning in (("num_processes", "how many there are"), ("process_id", "which one this is, from 0")):
        flags.DEFINE_integer(name, None, f"train in several processes: {meaning}.", lower_bound=0, flag_values=values)
    text("checkpoint", "latest", "Other modes: latest, best, or a step.")
    text("split", "valid", "Other modes: whose images, train, valid or test.")
    text("input", "", "Other modes: the images to use instead, a folder or a .zip.")
    flags.DEFINE_integer(
        "num",
        None,
        "Other modes: images to make or show. Default: 64; interpolate: 16 pairs; traverse, arithmetic: all there are.",
        lower_bound=1,
        flag_values=values,
    )
    text("features", "", "evaluate: classifier, random, inception, inception:FILE or my_module:my_function.")
    for name, default, meaning in (
        ("num_samples", 100, "evaluate: K, samples of each image in the importance-weighted bound."),
        ("num_images", 1000, "evaluate: images in that bound, the aggregate posterior and generated sets."),
    ):
        flags.DEFINE_integer(name, default, meaning, lower_bound=1, flag_values=values)
    flags.DEFINE_integer("seed", 0, "sample, report: the seed of the noise.", lower_bound=0, flag_values=values)
    flags.DEFINE_float(
        "temperature",
        1.0,
        "sample, evaluate, report: what the noise is multiplied by; 1 is the prior.",
        lower_bound=0.0,
        flag_values=values,
    )
    text("prior", "standard", "sample, evaluate: standard, or fitted to the codes: gaussian, mixture:10, aggregate.")
    text("interpolation", "linear", "interpolate: along which path, linear or spherical.")
    flags.DEFINE_boolean(
        "nearest",
        False,
        "sample: write the nearest training images beside the samples.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "readjust_bn",
        False,
        "sample: take BatchNorm's statistics anew from the prior's latents.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "allow_import",
        False,
        "Other modes: import the code that the run's config.json names.",
        flag_values=values,
    )
    return values


def _options(values: flags.FlagValues, rest: list[str]) -> cli.Options:
    options = {name: values[name].value for name in cli.Options._fields if name in values}
    if options["split"] not in ("train", "valid", "test"):
        raise errors.UserError(f"--split={options['split']} is not a split; use train, valid or test")
    if not math.isfinite(options["temperature"]):
        raise errors.UserError(f"--temperature={options['temperature']} is not a finite number; 1 is the prior")
    for word in rest:
        field, _, value = word.partition("=")
        if field != "--config.data.dir":
            raise errors.UserError(f"{word}: with --mode {values.mode} only --config.data.dir=DIR may be said anew")
        options["data_dir"] = value
    return cli.Options(**options)


def _override(config: configuration.Config, rest: list[str]) -> configuration.Config:
    """Apply `--config.a.b=value` words, typed by the fields they override."""
    known = {name for name, value in configuration.flatten(config).items() if not isinstance(value, dict)}
    for word in rest:
        field = word.lstrip("-").split("=")[0].removeprefix("noconfig.").removeprefix("config.")
        if not word.startswith(("--config.", "--noconfig.", "-config.")):
            raise errors.UserError(
                f"{word} is not a flag; {configuration.nearest(word, [f'--{n}' for n in _define_flags()])}"
            )
        if field not in known:
            raise errors.UserError(f"--config.{field} is not a field; {configuration.nearest(field, known)}")
    values = flags.FlagValues()
    arguments = ["main.py", *rest]
    try:
        holder = config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=arguments)
        values(arguments)
    except (flags.Error, TypeError, ValueError, AttributeError) as error:
        raise errors.UserError(_one_line(error)) from None
    return holder.value


def _joined(words: list[str]) -> list[str]:
    """Turn `--config.x VALUE` into `--config.x=VALUE`, so that each word stands for itself."""
    joined: list[str] = []
    for word in words:
        if (
            joined
            and joined[-1].startswith(("--config.", "-config."))
            and "=" not in joined[-1]
            and not word.startswith("--")
        ):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _one_line(error: Exception) -> str:
    return " ".join(str(error).removeprefix("flag ").split())
