"""indices, prepare and prefetch, against numpy and the definitions."""

import itertools
import threading
import time

import jax
import numpy as np
import pytest

from vae_jax import errors, random
from vae_jax.data import batches


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10, 25])
def test_every_epoch_sees_each_image_once(batch_size):
    stream = np.concatenate([batches.indices(4, step, batch_size, 10) for step in range(40 // batch_size + 1)])
    assert stream.dtype == np.int32
    for epoch in range(len(stream) // 10):
        assert sorted(stream[10 * epoch : 10 * epoch + 10]) == list(range(10))


def test_indices_are_a_pure_function_of_seed_and_step():
    forward = [batches.indices(0, step, 7, 50) for step in range(30)]
    batches._order.cache_clear()
    backward = [batches.indices(0, step, 7, 50) for step in reversed(range(30))]
    np.testing.assert_array_equal(forward, backward[::-1])
    assert not np.array_equal(forward[0], batches.indices(1, 0, 7, 50))
    assert not np.array_equal(batches.indices(0, 0, 50, 50), batches.indices(0, 1, 50, 50))


def test_indices_cannot_be_spoiled_by_a_caller():
    first = batches.indices(0, 0, 5, 10)
    first[:] = 0
    assert len(set(batches.indices(0, 0, 5, 10).tolist())) == 5


def test_far_steps_do_not_overflow():
    assert batches.indices(0, np.int32(2**31 - 1), 512, 100).shape == (512,)


def test_evaluation_covers_every_example_once():
    rows = [np.arange(23)[part] for part in batches.evaluation_slices(23, 5)]
    assert [len(row) for row in rows] == [5, 5, 5, 5, 3]
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(23))


def test_evaluation_never_leaves_one_example_alone():
    rows = [np.arange(21)[part] for part in batches.evaluation_slices(21, 5)]
    assert [len(row) for row in rows] == [5, 5, 5, 4, 2]
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(21))
    assert [len(np.arange(1)[part]) for part in batches.evaluation_slices(1, 5)] == [1]


@pytest.fixture(scope="module")
def every_level():
    return np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


@pytest.mark.parametrize("low, high", [(0.0, 1.0), (-1.0, 1.0)])
def test_range_is_exact_at_both_ends(key, every_level, low, high):
    x = np.asarray(batches.prepare(every_level, key, range=(low, high)))
    assert x.dtype == np.float32
    assert (x.min(), x.max()) == (low, high)
    expected = low + (high - low) * np.arange(256) / 255
    np.testing.assert_allclose(x.ravel(), expected, atol=1e-6)


def test_flip_mirrors_whole_images_half_of_the_time(key):
    images = np.tile(np.arange(4, dtype=np.uint8)[None, None, :, None], (2000, 2, 1, 3))
    x = np.rint(np.asarray(jax.jit(lambda i, k: batches.prepare(i, k, flip=True))(images, key)) * 255)
    mirrored = (x == images[:, :, ::-1]).all((1, 2, 3))
    assert (mirrored | (x == images).all((1, 2, 3))).all()
    assert abs(mirrored.mean() - 0.5) < 5 * 0.5 / np.sqrt(2000)
    unflipped = np.asarray(batches.prepare(images, key, flip=False))
    np.testing.assert_array_equal(np.rint(unflipped * 255), images)


def test_dynamic_binarisation_draws_bernoulli_pixels(key):
    images = np.full((1, 100, 100, 1), 51, np.uint8)
    x = np.asarray(batches.prepare(images, key, range=(-1.0, 1.0), binarize="dynamic"))
    assert set(np.unique(x)) == {-1.0, 1.0}
    assert abs((x == 1).mean() - 0.2) < 5 * 0.4 / 100
    extremes = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1)
    drawn = [np.asarray(batches.prepare(extremes, jax.random.key(s), binarize="dynamic")) for s in range(20)]
    np.testing.assert_array_equal(np.ravel(drawn), [0, 1] * 20)


def test_threshold_is_at_one_half(key, every_level):
    x = np.asarray(batches.prepare(every_level, key, binarize="threshold")).ravel()
    np.testing.assert_array_equal(x, np.arange(256) / 255 >= 0.5)


def test_dequantisation_fills_each_level_and_never_reaches_one(key):
    images = np.repeat(np.array([0, 100, 255], np.uint8), 20000).reshape(3, 100, 200, 1)
    x = np.asarray(batches.prepare(images, key, dequantize=True), np.float64)
    offset = x * 256 - images
    assert offset.min() >= 0 and offset.max() <= 1 and x.max() < 1
    np.testing.assert_allclose(offset.mean((1, 2, 3)), 0.5, atol=5 * np.sqrt(1 / 12 / 20000))


def test_noises_are_independent_streams(key):
    images = np.full((64, 2, 2, 1), 100, np.uint8)
    plain = batches.prepare(images, key, dequantize=True)
    flipped = batches.prepare(images, key, dequantize=True, flip=True)
    np.testing.assert_array_equal(plain, flipped)  # flat images: the flip must not change the noise
    own = jax.random.uniform(random.fold_in_name(key, "dequantize"), images.shape)
    np.testing.assert_allclose(plain, (100 + own) / 256, rtol=1e-6)


def test_the_largest_noise_on_the_largest_level_stays_below_one(key):
    """255 plus a noise within 2**-17 of 1 is 256 in float32: about one value in 130,000."""
    images = np.full((4, 1024, 1024, 1), 255, np.uint8)
    assert batches.prepare(images, key, dequantize=True).max() < 1.0


class Likes:
    """What `make_prepare` asks of a model."""

    data_range = (-1.0, 1.0)

    def __init__(self, **fields):
        self.__dict__.update(fields)


@pytest.mark.parametrize("fields", [{}, {"binarize": "threshold"}, {"binarize": "dynamic"}, {"dequantize": True}])
def test_a_model_says_how_its_images_are_prepared(key, fields):
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 1)).astype(np.uint8)
    found = batches.make_prepare(Likes(**fields), flip=False)(images, key)
    np.testing.assert_array_equal(found, batches.prepare(images, key, range=(-1.0, 1.0), **fields))
    mirrored = batches.make_prepare(Likes(**fields), flip=True)(images, key)
    np.testing.assert_array_equal(mirrored, batches.prepare(images, key, range=(-1.0, 1.0), flip=True, **fields))


@pytest.mark.parametrize("fields", [{"binarize": "dynamic"}, {"dequantize": True}])
def test_an_images_noise_is_its_numbers_own(key, fields):
    images = np.full((5, 6, 6, 1), 100, np.uint8)
    together = np.asarray(batches.prepare_each(Likes(**fields), images, np.arange(5), key))
    for number in range(5):
        alone = batches.prepare_each(Likes(**fields), images[:1], np.array([number]), key)
        np.testing.assert_array_equal(alone[0], together[number])
        own = batches.prepare(images[:1], jax.random.fold_in(key, number), range=(-1.0, 1.0), **fields)
        np.testing.assert_array_equal(own[0], together[number])
    assert len({image.tobytes() for image in together}) == 5


@pytest.mark.parametrize("options", [{"binarize": "static"}, {"binarize": "dynamic", "dequantize": True}])
def test_contradictions_are_the_users(key, options):
    with pytest.raises(errors.UserError, match="data.binarize"):
        batches.prepare(np.zeros((1, 2, 2, 1), np.uint8), key, **options)


def prefetch_threads():
    return [t for t in threading.enumerate() if t.name.startswith("prefetch")]


def test_prefetch_keeps_order_and_ends_its_thread():
    assert list(batches.prefetch(lambda step: step * step, range(20), depth=3)) == [n * n for n in range(20)]
    assert not prefetch_threads()


def test_prefetch_works_ahead_but_not_further_than_depth():
    made = []
    stream = batches.prefetch(lambda step: made.append(step) or step, itertools.count(), depth=3)
    assert next(stream) == 0
    time.sleep(0.2)
    assert made == [0, 1, 2, 3]
    stream.close()
    assert not prefetch_threads()


def test_prefetch_hands_on_exceptions_at_their_step():
    stream = batches.prefetch(lambda step: 1 // (2 - step), range(5), depth=4)
    assert [next(stream), next(stream)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert not prefetch_threads()
