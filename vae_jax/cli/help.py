"""The text of --help: of the whole command, or of one mode with the flags that the mode takes.

Nothing is read or computed for it. The flags' meanings come from `options` and `parse`.
"""

import textwrap
from typing import Any

from vae_jax.cli import options, parse

HELP_FLAGS = ("--help", "-help", "-h", "--helpfull", "-?")

EXAMPLES = (
    ("", "train on digits, into runs/digits"),
    ("--config celeba --config.data.dir=DIR", "train on CelebA, into runs/celeba"),
    ("--config celeba:head2021 --config.optimizer.learning_rate=1e-3", "another recipe, another rate"),
    ("--workdir runs/celeba --mode sample --num 100", "use the trained model"),
    ("--mode sample --help", "the flags of one mode"),
)
RESUME = (
    "The same command again continues a training that stopped. "
    "A run's directory describes itself: every mode but train needs --workdir alone."
)
NAMES_WORKDIR = "The config whose default --workdir holds the run, where --workdir is not given."


def wanted(words: list[str]) -> bool:
    """Return whether the words ask for help."""
    return any(word in HELP_FLAGS for word in words)


def text(program: str, words: list[str]) -> str:
    """Return the help of the mode that the words name, or of the whole command where they name none."""
    if not any(word.partition("=")[0] in ("--mode", "-mode") for word in words):
        return _overview(program)
    mode = parse.mode_of(words)
    return "\n".join(
        [f"{program} --mode {mode}", "", *_wrapped(options.MODES[mode].__doc__ or "", ""), "", *_flags(mode)]
    )


def _overview(program: str) -> str:
    lines = ["Train a variational autoencoder, or use a trained one.", ""]
    lines += [f"    {program} {words}".rstrip() + f"\n        {meaning}" for words, meaning in EXAMPLES]
    lines += ["", *_wrapped(RESUME, ""), "", "Modes:"]
    for mode, kind in options.MODES.items():
        lines += [f"  {mode}", *_wrapped(kind.__doc__ or "", "    ")]
    return "\n".join([*lines, "", *_flags("train")])


def _flags(mode: str) -> list[str]:
    """Return the lines about the flags that a mode takes."""
    lines = ["Flags:"]
    for name, (default, meaning) in parse.COMMON.items():
        lines += _flag(name, default, meaning if mode == "train" or name != "config" else NAMES_WORKDIR)
    for name, field in options.flags_of(mode).items():
        lines += _flag(name, field.default, field.metadata["meaning"])
    if mode == "train":
        lines += _flag("config.FIELD", None, "Any field of the config, such as --config.seed=1: see configs/base.py.")
    return lines


def _flag(name: str, default: Any, meaning: str) -> list[str]:
    shown = f"{meaning} Default: {default:g}." if isinstance(default, float) else f"{meaning} Default: {default}."
    hidden = default is None or default is False or default == ""
    return [f"  --{name}", *_wrapped(meaning if hidden else shown, "    ")]


def _wrapped(paragraph: str, indent: str) -> list[str]:
    return textwrap.wrap(paragraph, 100, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
