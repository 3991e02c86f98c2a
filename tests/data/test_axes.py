"""The order of axes: what is refused, and what data.axes and data.frames read."""

import numpy as np
import pytest
from PIL import Image

from vae_jax import errors
from vae_jax.data import in_memory, sources

N, H, W = 9, 6, 5
RNG = np.random.default_rng(0)


def npz(tmp_path, config, array, **fields):
    np.savez(tmp_path / "a.npz", images=array)
    return sources.load(config(source="npz", dir=str(tmp_path / "a.npz"), valid_fraction=0.0, **fields))


def python(tmp_path, config, array, **fields):
    return in_memory.from_arrays(config(valid_fraction=0.0, **fields), array)


def in_order(data):
    rows = np.argsort([int(name.rpartition("/")[2]) for name in data.train["name"]], kind="stable")
    return data.train["image"][rows]


@pytest.mark.parametrize("load", [npz, python])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_first_is_refused_and_may_be_said(tmp_path, data_config, load, channels):
    array = RNG.integers(0, 256, (N, H, W, channels)).astype(np.uint8)
    with pytest.raises(errors.UserError, match=r"transpose to \[N, H, W, C\], or say --config.data.axes=NCHW"):
        load(tmp_path, data_config, array.transpose(0, 3, 1, 2))
    data = load(tmp_path, data_config, array.transpose(0, 3, 1, 2), axes="NCHW")
    np.testing.assert_array_equal(in_order(data), array)


@pytest.mark.parametrize("axes", ["NHWC", "CHWN", "HWCN", "NWHC", "HNWC"])
def test_any_order_may_be_said(tmp_path, data_config, axes):
    array = RNG.integers(0, 256, (N, H, W, 3)).astype(np.uint8)
    given = array.transpose(["NHWC".index(letter) for letter in axes])
    np.testing.assert_array_equal(in_order(npz(tmp_path, data_config, given, axes=axes)), array)


@pytest.mark.parametrize("load", [npz, python])
def test_many_channels_must_be_meant(tmp_path, data_config, load):
    array = RNG.integers(0, 256, (N, H, W, 7)).astype(np.uint8)
    with pytest.raises(errors.UserError, match="with 7 channels: if that is meant, say --config.data.axes=NHWC"):
        load(tmp_path, data_config, array)
    np.testing.assert_array_equal(in_order(load(tmp_path, data_config, array, axes="NHWC")), array)


def test_rows_of_pixels_are_refused_with_their_shape(tmp_path, data_config):
    for length, shape in ((784, r"\[N, 28, 28\]"), (3072, r"\[N, 32, 32, 3\]")):
        with pytest.raises(errors.UserError, match=f"reshape the rows of {length} pixels to {shape}"):
            npz(tmp_path, data_config, np.zeros((N, length), np.uint8))


@pytest.mark.parametrize("axes", ["NHW", "NCHWX", "CHW", "NNHW", "NHWCT"])
def test_axes_that_do_not_fit(tmp_path, data_config, axes):
    with pytest.raises(errors.UserError, match="data.axes="):
        npz(tmp_path, data_config, np.zeros((N, 3, H, W), np.uint8), axes=axes)


def test_frames_of_an_array(tmp_path, data_config):
    video = RNG.integers(0, 256, (N, 4, H, W, 3)).astype(np.uint8)
    with pytest.raises(errors.UserError, match="--config.data.axes=NTHWC"):
        npz(tmp_path, data_config, video)
    np.testing.assert_array_equal(in_order(npz(tmp_path, data_config, video, axes="NTHWC")), video[:, 0])
    data = npz(tmp_path, data_config, video.transpose(1, 0, 4, 2, 3), axes="TNCHW", frames="all")
    assert len(data.train["image"]) == N * 4 and data.train["name"].tolist().count("train/0") == 4
    assert {image.tobytes() for image in data.train["image"]} == {
        image.tobytes() for image in video.reshape(-1, H, W, 3)
    }


def test_frames_of_files(tmp_path, data_config, capsys):
    root = tmp_path / "d"
    for label in ("a", "b"):
        (root / label).mkdir(parents=True)
        for i in range(3):
            grey = [Image.fromarray(np.full((4, 4), 100 * (label == "b") + 10 * i + f, np.uint8)) for f in range(4)]
            grey[0].save(root / label / f"{i}.tif", save_all=True, append_images=grey[1:])
    config = data_config(source="folder", dir=str(root), valid_fraction=0.0)
    data = sources.load(config)
    assert sorted(data.train["image"][:, 0, 0, 0].tolist()) == [0, 10, 20, 100, 110, 120]
    assert "used the first frame of 6 files with several; 18 frames are not used" in capsys.readouterr().err
    config.frames = "all"
    data = sources.load(config)
    assert len(data.train["image"]) == 24 and "frames are not used" not in capsys.readouterr().err
    for name, label, image in zip(data.train["name"], data.train["label"], data.train["image"], strict=True):
        folder, file, frame = name.split("/")
        assert image[0, 0, 0] == 100 * (folder == "b") + 10 * int(file[0]) + int(frame) and label == (folder == "b")


def test_unknown_words_for_frames(data_config):
    with pytest.raises(errors.UserError, match="unknown data.frames"):
        sources.load(data_config(source="digits", frames="last"))
