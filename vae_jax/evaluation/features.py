"""What images are compared by: the last hidden layer of a classifier or of a random network, or a user's own function.

Distances depend on the features: they compare runs on one data set, and are no FID, which is made with one particular
network (`inception`). The classifier is trained once for a data set and kept in the cache with its accuracy.
"""

import functools
import hashlib
import io
import json
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from vae_jax import errors
from vae_jax.data.dataset import Dataset, Split
from vae_jax.inference.chunks import CHUNK, in_chunks
from vae_jax.models.classifier import NUM_FEATURES, Classifier
from vae_jax.runs import workdir

NUM_STEPS, BATCH_SIZE, LEARNING_RATE = 1_000, 128, 1e-3
MAX_CLASSES = 1_000
IMAGES_HASHED = 4_096  # evenly spaced over the training split
VERSION = 1  # raise this number when the same data would give other features


class Features(NamedTuple):
    """What images are compared by.

    Attributes:
        extract: uint8 [N, H, W, C] -> [N, F].
        described: the name, the preprocessing and whatever else tells these features from others.
    """

    extract: Callable[[np.ndarray], np.ndarray]
    described: dict[str, Any]


def random_features(image_shape: tuple[int, ...], because: str = "") -> Features:
    """Return the last hidden layer of the classifier's network as it is initialised under seed 0.

    Args:
        image_shape: (H, W, C).
        because: why these features are used in place of others, which is reported with them.
    """
    params = _init(1, image_shape)
    described = {"name": "random network, seed 0", "dimension": NUM_FEATURES, "preprocessing": "uint8 / 255, own size"}
    return Features(functools.partial(_extract, params), described | ({"because": because} if because else {}))


def own_features(name: str, function: Callable[[np.ndarray], Any]) -> Features:
    """Return a user's own function as features; `extract` calls it on a chunk of images at a time.

    Args:
        name: of the function, for messages and the report.
        function: uint8 [N, H, W, C] -> [N, F]. Where it returns another shape, or a value that is not finite, `extract`
            raises errors.UserError.
    """

    def extract(images: np.ndarray) -> np.ndarray:
        parts = [np.asarray(function(images[at : at + CHUNK])) for at in range(0, len(images), CHUNK)]
        features = np.concatenate(parts)
        if features.ndim != 2 or len(features) != len(images):
            raise errors.UserError(f"--features={name} made {features.shape} of {len(images)} images; [N, F] is due")
        if not np.isfinite(features).all():
            raise errors.UserError(f"--features={name} made values that are not finite; correct the function")
        return features

    return Features(extract, {"name": name, "preprocessing": "its own, of uint8 images"})


def classifier_features(data: Dataset, cache: pathlib.Path) -> Features | str:
    """Return the last hidden layer of a classifier of the training split's labels, or in words why there is none.

    The classifier is trained for NUM_STEPS steps, or taken from the cache, whose file is named by the data and the
    labels. Features of a classifier that is no better on held-out images than the most frequent label are refused.
    """
    targets = _targets(data.train)
    if targets is None:
        return "these data have no labels to learn"
    file = cache / f"classifier-{_digest(data.train)}.npz"
    params = _init(targets.shape[1], data.image_shape)
    held_out = data.valid or data.test or data.train
    stored = _read(file, params)
    if stored is None:
        params = _train(params, np.asarray(data.train["image"]), targets)
        accuracy = _accuracy(params, held_out, data.train)
        _write(file, params, accuracy)
    else:
        params, accuracy = stored
    chance = _chance(np.asarray(held_out["label"]))
    if not accuracy > chance:
        return (
            f"a classifier of the labels is right for {accuracy:.1%} of held-out images, and the most frequent label "
            f"for {chance:.1%}, so that its features say nothing"
        )
    described = {
        "name": "classifier of the training labels",
        "dimension": NUM_FEATURES,
        "preprocessing": "uint8 / 255, own size",
        "accuracy": accuracy,
        "accuracy_of_the_most_frequent_label": chance,
        "cached_as": file.name,
    }
    return Features(functools.partial(_extract, params), described)


def _chance(label: np.ndarray) -> float:
    """Return the accuracy of always telling the most frequent class of labels [N], or value of attributes [N, A]."""
    if label.ndim == 2:
        present = (label > 0).mean(axis=0)
        return float(np.maximum(present, 1.0 - present).mean())
    return float(np.unique(label, return_counts=True)[1].max() / len(label))


def _targets(split: Split) -> np.ndarray | None:
    """Return one-hot classes [N, K] of labels [N], or attributes [N, A]; None where there is nothing to learn."""
    label = split.get("label")
    if label is None:
        return None
    label = np.asarray(label)
    if label.ndim == 2:
        return (label > 0).astype(np.float32)
    classes = np.unique(label)
    if not 2 <= len(classes) <= min(MAX_CLASSES, len(label) // 10):
        return None
    return (label[:, None] == classes[None]).astype(np.float32)


def _init(num_outputs: int, image_shape: tuple[int, ...]) -> Any:
    return jax.jit(Classifier(num_outputs).init)(jax.random.key(0), jnp.zeros((1, *image_shape)))


@jax.jit
def _features(params: Any, images: jax.Array) -> Any:
    num_outputs = params["params"]["Dense_1"]["bias"].shape[0]
    return Classifier(num_outputs).apply(params, images.astype(jnp.float32) / 255.0)


def _apply(params: Any, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the features and the logits of uint8 images, computed in chunks."""
    return in_chunks(functools.partial(_features, params), images)


def _extract(params: Any, images: np.ndarray) -> np.ndarray:
    return _apply(params, images)[0]


def _train(params: Any, images: np.ndarray, targets: np.ndarray) -> Any:
    """Return parameters trained by Adam on the cross-entropy, of a softmax for classes and sigmoids for attributes."""
    tx = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, NUM_STEPS))
    classes = bool((targets.sum(axis=1) == 1).all())
    cross_entropy = optax.softmax_cross_entropy if classes else optax.sigmoid_binary_cross_entropy

    def loss(params: Any, images: jax.Array, targets: jax.Array) -> jax.Array:
        return cross_entropy(_features(params, images)[1], targets).mean()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params: Any, opt_state: Any, images: jax.Array, targets: jax.Array) -> tuple[Any, Any]:
        updates, opt_state = tx.update(jax.grad(loss)(params, images, targets), opt_state)
        return optax.apply_updates(params, updates), opt_state

    rng, opt_state = np.random.default_rng(0), tx.init(params)
    for _ in range(NUM_STEPS):
        rows = rng.integers(len(images), size=BATCH_SIZE)
        params, opt_state = step(params, opt_state, images[rows], targets[rows])
    return params


def _accuracy(params: Any, split: Split, train: Split) -> float:
    """Return the share of labels that are told right: of images for classes, of images and attributes otherwise."""
    label, logits = np.asarray(split["label"]), _apply(params, split["image"])[1]
    if label.ndim == 2:
        return float(((logits > 0) == (label > 0)).mean())
    return float((np.unique(train["label"])[logits.argmax(1)] == label).mean())


def _digest(split: Split) -> str:
    images = split["image"]
    rows = np.unique(np.linspace(0, len(images) - 1, IMAGES_HASHED).astype(int))
    recipe = json.dumps([VERSION, NUM_STEPS, BATCH_SIZE, LEARNING_RATE, images.shape])
    digest = hashlib.sha256(recipe.encode())
    digest.update(np.ascontiguousarray(images[rows]).data)
    digest.update(np.ascontiguousarray(split["label"]).data)
    return digest.hexdigest()[:20]


def _write(file: pathlib.Path, params: Any, accuracy: float) -> None:
    """Keep the classifier if the cache can be written; without it the next evaluation trains it again."""
    leaves: dict[str, Any] = {f"leaf{index}": np.asarray(leaf) for index, leaf in enumerate(jax.tree.leaves(params))}
    buffer = io.BytesIO()
    np.savez(buffer, accuracy=accuracy, **leaves)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        workdir.write_atomically(file, buffer.getvalue())
    except OSError:
        return


def _read(file: pathlib.Path, like: Any) -> tuple[Any, float] | None:
    """Return the classifier that was kept and its accuracy; None if there is none that can be read."""
    leaves, tree = jax.tree.flatten(like)
    try:
        with np.load(file) as stored:
            kept = [stored[f"leaf{index}"] for index in range(len(leaves))]
            accuracy = float(stored["accuracy"])
    except Exception:  # zipfile and numpy raise what they like on a damaged file; it is made anew
        return None
    if any(a.shape != b.shape for a, b in zip(kept, leaves, strict=True)):
        return None
    return jax.tree.unflatten(tree, kept), accuracy
