"""Features: from a classifier that is trained once and kept, or a fixed network, or a function of one's own."""

import numpy as np
import pytest
from scipy import signal

from vae_jax import errors
from vae_jax.data.dataset import make_dataset
from vae_jax.evaluation import features, image_sets

RNG = np.random.default_rng(0)


def squares(num, num_classes=2):
    """8x8 images, the class the corner that is bright."""
    label = RNG.integers(num_classes, size=num).astype(np.int32)
    images = RNG.integers(0, 100, (num, 8, 8, 1)).astype(np.uint8)
    for index, corner in enumerate(label):
        images[index, :4, 4 * corner : 4 * corner + 4] += 120
    return {"image": images, "label": label + 5}


@pytest.fixture(scope="module")
def data():
    return make_dataset("squares", {"train": squares(400), "valid": squares(100)})


@pytest.fixture(scope="module")
def cached(data, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache") / "below"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "NUM_STEPS", 60)
        return cache, features.classifier_features(data, cache)


def test_a_classifier_is_trained_and_says_how_well(data, cached):
    _, made = cached
    assert made.described["accuracy"] > 0.95
    found = made.extract(data.valid["image"])
    assert found.shape == (100, 64) and found.std() > 0
    label = data.valid["label"]
    means = [found[label == value].mean(0) for value in (5, 6)]
    nearest = np.square(found[:, None] - np.stack(means)).sum(-1).argmin(1)
    assert (nearest == label - 5).mean() > 0.95


def test_it_is_kept_and_found_again_for_the_same_data_alone(data, cached, monkeypatch):
    cache, made = cached
    monkeypatch.setattr(features, "NUM_STEPS", 60)
    trained = []
    monkeypatch.setattr(features, "_train", lambda params, *rest: trained.append(1) or params)
    again = features.classifier_features(data, cache)
    assert not trained and again.described == made.described
    np.testing.assert_array_equal(again.extract(data.valid["image"]), made.extract(data.valid["image"]))
    other = make_dataset("squares", {"train": {**data.train, "label": 11 - data.train["label"]}})
    features.classifier_features(other, cache)
    assert len(trained) == 1
    file = cache / made.described["cached_as"]
    file.write_bytes(file.read_bytes()[:200])
    features.classifier_features(data, cache)
    assert len(trained) == 2


def test_labels_that_are_no_classes_are_not_learned(tmp_path):
    split = squares(50)
    for label in (None, np.arange(50), np.zeros(50, int)):
        train = {"image": split["image"]} | ({} if label is None else {"label": label})
        assert "no labels" in features.classifier_features(make_dataset("x", {"train": train}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_attributes_are_learned_side_by_side():
    label = np.array([[0, 1], [1, 1], [-1, 0]])
    np.testing.assert_array_equal(features._targets({"label": label}), [[0, 1], [1, 1], [0, 0]])


def test_random_features_are_fixed(data):
    images = data.valid["image"]
    first, second = (features.random_features((8, 8, 1)).extract(images) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (100, 64) and np.linalg.matrix_rank(first) > 20
    np.testing.assert_allclose(features.random_features((8, 8, 1)).extract(images[:3]), first[:3], rtol=1e-4, atol=1e-5)


def test_ones_own_function_must_make_a_row_of_each_image(data):
    good = features.own_features("mine:f", lambda images: images.reshape(len(images), -1)[:, :5])
    assert good.extract(data.train["image"]).shape == (400, 5)
    with pytest.raises(errors.UserError, match="mine:f made"):
        features.own_features("mine:f", lambda images: images).extract(data.valid["image"])


def test_a_set_is_compared_with_the_reference(data, cached):
    reference, same = data.valid["image"], data.train["image"][:100]
    grey, half = np.full_like(reference, 100), reference[data.valid["label"] == 5]
    sets = image_sets.compare(cached[1], reference, {"train": same, "itself": reference, "grey": grey, "half": half})
    assert sets["itself"]["frechet_distance"] == pytest.approx(0.0, abs=1e-4)
    assert sets["itself"]["precision"] == sets["itself"]["recall"] == 1.0
    assert sets["train"]["frechet_distance"] < 0.3 * sets["grey"]["frechet_distance"]
    assert sets["train"]["recall"] > 0.7 and sets["grey"]["recall"] < 0.3
    assert sets["half"]["precision"] == 1.0 and sets["half"]["recall"] < 0.8  # all real, one class of two
    assert sets["grey"]["sharpness"] == 0.0 < sets["reference"]["sharpness"]


def test_a_classifier_that_learned_nothing_is_refused(data, tmp_path, monkeypatch):
    """Its labels are noise, so that on held-out images it is about as good as the most frequent label, or worse."""
    monkeypatch.setattr(features, "NUM_STEPS", 5)
    label = np.random.default_rng(1).integers(2, size=400).astype(np.int32)
    valid = data.valid | {"label": (np.arange(100) < 90).astype(np.int32)}
    noise = make_dataset("noise", {"train": data.train | {"label": label}, "valid": valid})
    reason = features.classifier_features(noise, tmp_path)
    assert "the most frequent label for 90.0%" in reason
    assert features.random_features((8, 8, 1), because=reason).described["because"] == reason


def test_chance_is_the_most_frequent_label():
    assert features._chance(np.array([3, 3, 5, 7])) == 0.5
    assert features._chance(np.array([[1, 0], [1, 1], [1, 0], [-1, 0]])) == 0.75


def test_values_of_ones_own_function_that_are_not_finite_are_refused(data):
    with pytest.raises(errors.UserError, match="mine:f made values that are not finite"):
        features.own_features("mine:f", lambda images: np.full((len(images), 2), np.nan)).extract(data.valid["image"])


def test_the_sharpness_of_a_set_is_that_of_pictures_on_the_unit_interval():
    board = (np.indices((9, 9)).sum(0) % 2 * 255).astype(np.uint8)[None, :, :, None]
    sharp = image_sets.sharpness(np.concatenate([board, 0 * board]))
    assert sharp == {"sharpness": pytest.approx(8.0, abs=0.1), "sharpness_wae": 0.0}


def test_the_sharpness_of_wae_is_the_least_variance_of_laplacians_on_minus_one_to_one():
    images = RNG.integers(0, 256, (5, 9, 9, 1)).astype(np.uint8)
    laplacian = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    variances = [signal.convolve2d(image[..., 0] / 127.5 - 1.0, laplacian, mode="valid").var() for image in images]
    assert image_sets.sharpness(images)["sharpness_wae"] == pytest.approx(min(variances), rel=1e-5)
