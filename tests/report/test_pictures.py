"""Sheets: where each image lands, and files that come back as they were."""

import numpy as np
import pytest
from PIL import Image

from vae_jax.report import pictures


def test_grid_places_each_image_and_enlarges_small_ones():
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 1), np.uint8) + 10
    sheet = pictures.grid(images, columns=2, gap=2)
    assert sheet.shape == (2 * 66 + 2, 2 * 66 + 2, 3)  # 32 doubled to 64, and the gap
    assert (sheet[2:66, 2:66] == 10).all()
    assert (sheet[2:66, 68:132] == 11).all()
    assert (sheet[68:132, 2:66] == 12).all()
    assert (sheet[68:132, 68:] == 255).all()


def test_beside_puts_each_reconstruction_under_its_original():
    originals = np.full((3, 64, 64, 3), 20, np.uint8)
    sheet = pictures.beside(originals, originals + 5, columns=2)
    assert (sheet[2:66, 2:66] == 20).all()
    assert (sheet[68:132, 2:66] == 25).all()
    assert (sheet[134:198, 2:66] == 20).all()
    assert (sheet[200:264, 2:66] == 25).all()
    assert (sheet[134:198, 68:132] == 255).all()


def test_png_comes_back_as_it_was(tmp_path):
    sheet = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    pictures.save_png(tmp_path / "new" / "a.png", sheet)
    assert (np.asarray(Image.open(tmp_path / "new" / "a.png")) == sheet).all()
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.png"]


def test_a_gif_has_its_frames_in_order_and_does_not_end(tmp_path):
    frames = [np.full((4, 6, 3), level, np.uint8) for level in (0, 100, 200)]
    pictures.save_gif(tmp_path / "new" / "a.gif", frames, 120)
    with Image.open(tmp_path / "new" / "a.gif") as animation:
        assert (animation.n_frames, animation.size, animation.info["loop"]) == (3, (6, 4), 0)
        for index, frame in enumerate(frames):
            animation.seek(index)
            np.testing.assert_allclose(np.asarray(animation.convert("RGB"), int), frame, atol=2)


def test_other_arrays_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        pictures.grid(np.zeros((1, 2, 2, 3)))
