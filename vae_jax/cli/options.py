"""The flags of each mode: one dataclass a mode, one field a flag, with the flag's default, check and meaning.

All modes stand on this page, and the page imports neither jax nor a module that does, so that `--help` and a mistyped
flag answer at once. `parse` makes an instance from the command line, `help` prints the meanings, and the `run` of a
mode's own file takes the instance. A new mode is a class here, a line in MODES, and a file `cli/<mode>.py`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from vae_jax.cli import values


def flag(default: Any, read: Callable[[str], Any] | type[bool], meaning: str, name: str | None = None) -> Any:
    """Declare a field that the command line sets.

    Args:
        default: the value where the flag is not given.
        read: makes the value from the flag's text, or raises ValueError; `bool` for a flag without a value.
        meaning: what the flag does, one sentence for `--help`.
        name: the flag's name where it differs from the field's.
    """
    return dataclasses.field(default=default, metadata={"read": read, "meaning": meaning, "name": name})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The flags of a mode."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Train(Options):
    """Train, or continue the training in --workdir. The flags --config.FIELD=VALUE override the config file."""

    config: Any = None  # the configuration, made of --config and the overrides
    init_from: str | None = flag(None, values.path, "Another run's directory, whose weights a new run starts from.")
    accept_new_data: bool = flag(
        False, bool, "Go on although the run's data have changed; no image that was held out is trained on."
    )
    coordinator: str | None = flag(
        None, values.text, "HOST:PORT of process 0, where the cluster does not say; see docs/scaling.md."
    )
    num_processes: int | None = flag(None, values.whole, "How many processes train together.")
    process_id: int | None = flag(None, values.whole, "The number of this process, from 0.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RestoredRun(Options):
    """The flags of every mode that restores a trained model."""

    checkpoint: str = flag("latest", values.checkpoint, "Which checkpoint is used: latest, best, or a step.")
    allow_import: bool = flag(False, bool, "Allow the import of the code that the run's config.json names.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunData(RestoredRun):
    """The flags of every mode that reads the data of the run."""

    data_dir: str = flag(
        "", values.path, "Where the data of the run are now, if they have moved.", name="config.data.dir"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Split(RunData):
    """The flags of every mode that works on a split of the run's data."""

    split: str = flag("valid", values.choice("train", "valid", "test"), "Which split is used: train, valid or test.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Images(Split):
    """The flags of every mode that works on a split or on other images."""

    input: str = flag("", values.path, "Images to use in place of a split: a folder or a .zip.")


TEMPERATURE = "What the prior's standard deviation is multiplied by; 1 is the prior."
PRIOR = "What is sampled: standard, or fitted to the codes of the training images: gaussian, mixture:10, aggregate."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample(RunData):
    """Write samples.png and samples.npy: images decoded from the prior, or from a density fitted to the codes."""

    num: int = flag(64, values.count, "How many images are made.")
    seed: int = flag(0, values.seed, "The seed of the noise.")
    temperature: float = flag(1.0, values.not_negative, TEMPERATURE)
    prior: str = flag("standard", values.prior, PRIOR)
    nearest: bool = flag(False, bool, "Write nearest.png too: the training images nearest to the samples.")
    readjust_bn: bool = flag(False, bool, "Compute BatchNorm's statistics anew from samples of the prior.")
    input: str = flag("", values.path, "The training images of a run that was trained on arrays: a folder or a .zip.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reconstruct(Images):
    """Write reconstructions.png, images above their reconstructions, and reconstructions.npy."""

    num: int = flag(64, values.count, "How many images are reconstructed, at most.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interpolate(Images):
    """Write interpolations.png and .npy: for each pair of images, a row of images between the two."""

    num: int = flag(16, values.count, "How many pairs are interpolated, at most.")
    interpolation: str = flag(
        "linear", values.choice("linear", "spherical"), "The path between two codes: linear or spherical."
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Traverse(Images):
    """Write traversals.png, .gif and .npy: for each active latent, a row of images in which the latent changes."""

    num: int | None = flag(None, values.count, "How many latents are shown, at most. Default: all active ones.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arithmetic(Split):
    """Write arithmetic.png and .npy: rows of images that are moved from one label towards another."""

    num: int | None = flag(None, values.count, "How many changes of a label are shown, at most. Default: all.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate(Images):
    """Write evaluation.json and print it as a table: every measurement of the model on a split."""

    num_samples: int = flag(100, values.count, "K, the samples of each image in the importance-weighted bound.")
    num_images: int = flag(
        1000, values.count, "How many images the bound, the aggregate posterior and sets of images are computed from."
    )
    features: str = flag(
        "",
        values.features,
        "What compares sets of images: classifier, random, inception, inception:FILE or my_module:my_function. "
        "Default: a classifier where the data have labels, otherwise random.",
    )
    temperature: float = flag(1.0, values.not_negative, TEMPERATURE)
    prior: str = flag("standard", values.prior, PRIOR)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encode(Images):
    """Write latents.npz or latents.csv: the posterior's parameters of each image, with its name and its class."""

    format: str = flag("npz", values.choice("csv", "npz"), "The kind of the file: csv or npz.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score(Images):
    """Write scores.csv: ELBO, distortion, KL, importance-weighted bound and reconstruction error of each image."""

    num_samples: int = flag(32, values.count, "K, the samples of each image in the bound and in the distortion.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report(Images):
    """Write report.html: the configuration, curves, pictures and evaluation of a run, in one file."""

    seed: int = flag(0, values.seed, "The seed of the noise.")
    temperature: float = flag(1.0, values.not_negative, TEMPERATURE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare(Options):
    """Write comparison.md and comparison.html: several runs side by side. --workdir lists them: runs/a,runs/b."""


MODES: dict[str, type[Options]] = {
    "train": Train,
    "sample": Sample,
    "reconstruct": Reconstruct,
    "interpolate": Interpolate,
    "traverse": Traverse,
    "arithmetic": Arithmetic,
    "evaluate": Evaluate,
    "encode": Encode,
    "score": Score,
    "report": Report,
    "compare": Compare,
}


def flags_of(mode: str) -> dict[str, dataclasses.Field]:
    """Return {flag's name: field} for the flags of a mode, without --mode, --workdir and --config."""
    fields = [field for field in dataclasses.fields(MODES[mode]) if "read" in field.metadata]
    return {field.metadata["name"] or field.name: field for field in fields}
