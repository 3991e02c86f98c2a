"""The sprites' converter, on a grid of two by three made figures."""

import numpy as np

from benchmarks import sprites
from vae_jax.data import sources

PALETTE = np.array([[0, 0, 0], [200, 100, 50], [10, 20, 30]], np.uint8)
# 4 x 4 pixels: the left half is the first factor's colour plus one, the right half the second's value.
INDEX = np.zeros((2, 3, 4, 4), np.uint8)
INDEX[0, :, :, :2], INDEX[1, :, :, :2] = 1, 2
for value in range(3):
    INDEX[:, value, :, 2:] = value


def test_every_image_has_the_colours_of_its_factors_and_the_npz_source_reads_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sprites, "CHUNK", 4)
    np.savez(tmp_path / "pack.npz", index=INDEX, palette=PALETTE, factors=np.array(["coat", "hat"]))
    sprites.main([str(tmp_path / "pack.npz"), str(tmp_path / "out.npz"), "--size=4"])
    assert "images (6, 4, 4, 3), factors (6, 2)" in capsys.readouterr().out
    with np.load(tmp_path / "out.npz") as out:
        images, factors = out["images"], out["factors"]
    assert sorted(map(tuple, factors.tolist())) == [(a, b) for a in range(2) for b in range(3)]
    for image, (coat, hat) in zip(images, factors, strict=True):
        np.testing.assert_array_equal(image[:, :2], np.broadcast_to(PALETTE[coat + 1], (4, 2, 3)))
        np.testing.assert_array_equal(image[:, 2:], np.broadcast_to(PALETTE[hat], (4, 2, 3)))
    from vae_jax.configs import base

    data = base.get_config().data
    data.source, data.dir, data.valid_fraction = "npz", str(tmp_path / "out.npz"), 0.0
    assert sources.load(data).train["factors"].shape == (6, 2)


def test_smaller_images_keep_the_mean_colour():
    small = sprites.unfold({"index": INDEX, "palette": PALETTE}, 2)["images"]
    assert small.shape == (6, 2, 2, 3)
    large = PALETTE[INDEX.reshape(6, 4, 4)]
    np.testing.assert_allclose(small.mean((1, 2)), large.mean((1, 2)), atol=1)
