"""Sets of images against a set of real ones, all in the same way: Fréchet distance, precision, recall, sharpness."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from vae_jax.evaluation import fidelity, frechet
from vae_jax.evaluation.features import Features
from vae_jax.inference.chunks import in_chunks


def compare(features: Features, reference: np.ndarray, sets: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Return the measures of every set of uint8 images [N, H, W, C] against the reference, and the latter's sharpness.

    The sets should be as large as the reference: the distance is biased by the number of images.
    """
    real = features.extract(reference)
    result = {}
    for name, images in sets.items():
        other = features.extract(images)
        distance = frechet.frechet_distance(frechet.moments(real), frechet.moments(other))
        result[name] = {
            "frechet_distance": distance,
            **frechet.precision_recall(real, other),
            "sharpness": sharpness(images),
        }
    return result | {"reference": {"sharpness": sharpness(reference)}}


def sharpness(images: np.ndarray) -> float:
    """The mean of `fidelity.sharpness` of uint8 images [N, H, W, C]."""
    compiled = jax.jit(fidelity.sharpness)
    return float(in_chunks(lambda part: compiled(np.float32(part) / 255.0), images).mean())
