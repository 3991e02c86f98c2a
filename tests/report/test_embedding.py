"""Pictures inside a page: what fits is stored without loss, and the rest is reduced and says so."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from vae_jax.report import embedding, pictures

NOISE = np.random.default_rng(0).integers(0, 256, (900, 1400, 3)).astype(np.uint8)


def opened(embedded):
    data = base64.b64decode(embedded.source.partition("base64,")[2])
    return data, Image.open(io.BytesIO(data))


def test_a_small_picture_is_stored_without_loss():
    embedded = embedding.picture(NOISE[:50, :70])
    assert embedded.source.startswith("data:image/png;") and embedded[1:] == (70, 50, "")
    np.testing.assert_array_equal(np.asarray(opened(embedded)[1]), NOISE[:50, :70])


@pytest.mark.parametrize("limit", [400_000, 30_000])
def test_a_large_picture_is_reduced_until_it_fits(limit):
    embedded = embedding.picture(NOISE, limit)
    data, image = opened(embedded)
    assert len(data) <= limit and image.size == (embedded.width, embedded.height)
    assert embedded.width / embedded.height == pytest.approx(1400 / 900, rel=0.05)
    assert embedded.note == f"stored with losses, {embedded.width:,} of 1,400 pixels wide"


def test_a_reduced_picture_still_shows_what_it_showed():
    shades = np.broadcast_to(np.linspace(0, 255, 1500)[None, :, None], (1500, 1500, 3)).astype(np.uint8)
    _, image = opened(embedding.picture(shades, 20_000))
    found = np.asarray(image.convert("RGB"), float)[image.height // 2, :, 0]
    np.testing.assert_allclose(found, np.linspace(0, 255, image.width), atol=6)


def test_a_large_animation_is_reduced_until_it_fits(tmp_path):
    frames = [np.roll(NOISE[:60, :90], 20 * n, 1) for n in range(40)]
    pictures.save_gif(tmp_path / "a.gif", frames, 100)
    embedded = embedding.animation(tmp_path / "a.gif", 80_000)
    data, animation = opened(embedded)
    assert len(data) <= 80_000 and animation.n_frames == embedding.MOST_FRAMES
    assert embedded.note == f"stored with losses, 30 of 40 frames, {embedded.width} of 90 pixels wide"
    whole = embedding.animation(tmp_path / "a.gif", 10**8)
    assert opened(whole)[0] == (tmp_path / "a.gif").read_bytes() and not whole.note
