"""Fitted priors of a run's checkpoints, kept in WORKDIR/priors so that each is fitted once.

The modes that draw samples or evaluate them use this file. The fitting itself is in `fitted_priors`.
"""

import pathlib
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from vae_jax.inference import codes, fitted_priors, prior_names
from vae_jax.runs import integrity, workdir
from vae_jax.runs.restore import RestoredRun, Say


def prior(
    name: str, step: int, run: RestoredRun, path: pathlib.Path, training_images: Callable[[], np.ndarray], say: Say
) -> Any | None:
    """Return the fitted prior of a name for a checkpoint, or None for the standard prior, which is the model's own.

    A prior that was fitted before is read from WORKDIR/priors. If the run was trained on an array, the prior is fitted
    to the images of --input and is not kept, because the next call may have other images.

    Args:
        name: a prior that `prior_names.parse` knows.
        step: the checkpoint's step, which is part of the file's name.
        run: the restored run.
        path: the run's directory.
        training_images: called for the images, uint8 [N, H, W, C], where the prior has to be fitted.
        say: called with a line about where the prior came from.
    """
    kind, _ = prior_names.parse(name)
    if kind == "standard":
        return None
    if run.config.data.source == "array":
        return fitted_priors.fit(name, codes.training_codes(run, training_images()))
    file = path / "priors" / f"{step}-{name.replace(':', '-')}.npz"
    fingerprint = _fingerprint(run.variables)
    known = fitted_priors.from_bytes(name, file.read_bytes(), fingerprint) if file.exists() else None
    if known is not None:
        say(f"prior {name} from {file}")
        return known
    training_codes = codes.training_codes(run, training_images())
    fitted = fitted_priors.fit(name, training_codes)
    file.parent.mkdir(exist_ok=True)
    workdir.write_atomically(file, fitted_priors.to_bytes(fitted, fingerprint))
    say(f"prior {name} fitted to the codes of {len(training_codes.mode()):,} training images, kept in {file}")
    return fitted


def _fingerprint(variables: Any) -> int:
    return zlib.crc32(repr(sorted(integrity.checksums(variables).items())).encode())
