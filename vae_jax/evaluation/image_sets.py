"""Sets of images against a set of real ones: Fréchet distance, precision, recall and sharpness.

`section` compares samples, reconstructions and other real images with a split; `compare` takes any sets. What images
are compared by is in `features` and `inception`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax.evaluation import fidelity, frechet
from vae_jax.evaluation.encodings import Encodings
from vae_jax.evaluation.features import Features
from vae_jax.evaluation.inputs import chosen_rows
from vae_jax.inference import sampling
from vae_jax.inference.chunks import in_chunks
from vae_jax.random import fold_in_name


class Comparison(NamedTuple):
    """What generated images are compared by, and with.

    Attributes:
        features: what images are compared by.
        against: what the evaluated images are, in words.
        floor: other real images, uint8 [M, H, W, C], whose distance is as small as one can hope for; None without any.
        floor_is: what the floor is, in words.
        prior: a distribution that a second set of samples is drawn from; None for the model's own prior alone.
        prior_name: its name.
        temperature: what the noise of the samples is multiplied by.
    """

    features: Features
    against: str = "the images given"
    floor: np.ndarray | None = None
    floor_is: str = "other real images"
    prior: Any = None
    prior_name: str = ""
    temperature: float = 1.0


def section(
    model: Any,
    variables: Any,
    images: np.ndarray,
    encoded: Encodings,
    key: jax.Array,
    num_images: int,
    comparison: Comparison,
) -> dict[str, Any]:
    """Return the measures of samples, reconstructions and the floor, as many of each, against images of the split.

    Args:
        model: the module.
        variables: its parameters and collections.
        images: the whole split, uint8 [N, H, W, C].
        encoded: its encodings.
        key: of the evaluation.
        num_images: images in each set, at most.
        comparison: what the sets are compared by and with.
    """
    floor = comparison.floor
    if floor is not None and len(floor) <= frechet.NEIGHBOURS:
        floor = None
    num = min(num_images, len(images), len(images) if floor is None else len(floor))
    if num <= frechet.NEIGHBOURS:
        return {"absent": f"{num} images are too few to compare sets of images"}
    rows = chosen_rows(len(images), num)
    sets = _samples(model, variables, fold_in_name(key, "samples"), num, comparison)
    modes = jax.tree.map(lambda leaf: leaf[rows], encoded.mode)
    sets["reconstructions"] = sampling.decode(model, variables, modes)
    if floor is not None:
        sets["floor"] = np.asarray(floor[chosen_rows(len(floor), num)])
    return {
        "num_images": num,
        "against": comparison.against,
        "floor_is": "absent: there is no other split of real images" if floor is None else comparison.floor_is,
        "temperature": comparison.temperature,
        "neighbours": frechet.NEIGHBOURS,
        "features": comparison.features.described,
        **compare(comparison.features, np.asarray(images[rows]), sets),
    }


def _samples(model: Any, variables: Any, key: jax.Array, num: int, comparison: Comparison) -> dict[str, np.ndarray]:
    """Return images of the model's own prior and, where there is one, of the comparison's, from the same key."""
    temperature = comparison.temperature
    sets = {"samples": sampling.sample(model, variables, key, num, temperature=temperature)}
    if comparison.prior is not None:
        sets[f"samples of {comparison.prior_name}"] = sampling.sample(
            model, variables, key, num, temperature=temperature, prior=comparison.prior
        )
    return sets


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
            **sharpness(images),
        }
    return result | {"reference": sharpness(reference)}


def sharpness(images: np.ndarray) -> dict[str, float]:
    """Return two measures of how sharp uint8 images [N, H, W, C] are.

    `sharpness` is the mean over images of `fidelity.sharpness`. `sharpness_wae` is the definition of WAE's authors: the
    minimum over images in place of the mean, of images on [-1, 1], whose variance is 4 times as large.

    References:
        Tolstikhin et al., 2018, arXiv 1711.01558.
    """
    compiled = jax.jit(fidelity.sharpness)
    each = in_chunks(lambda part: compiled(np.float32(part) / 255.0), images)
    return {"sharpness": float(each.mean()), "sharpness_wae": 4.0 * float(each.min())}
