"""Which values are black and white, in arrays and in files."""

import io
import zipfile

import numpy as np
import pytest
from made_images import write_tree
from PIL import Image

from vae_jax import errors
from vae_jax.data import images, in_memory, sources, value_range

RNG = np.random.default_rng(0)
MASK = RNG.integers(0, 2, (12, 5, 4)).astype(np.uint8)


def pixels(data):
    """All images of a data set, in the order of their rows in the source."""
    image = np.concatenate([split["image"] for split in data.splits.values()])
    names = np.concatenate([split["name"] for split in data.splits.values()])
    return image[np.argsort([int(name.rpartition("/")[2].removesuffix(".png")) for name in names])][..., 0]


def load_npz(tmp_path, config, array, **fields):
    np.savez(tmp_path / "a.npz", images=array)
    return sources.load(config(source="npz", dir=str(tmp_path / "a.npz"), duplicates="keep", **fields))


def load_npy(tmp_path, config, array, **fields):
    np.save(tmp_path / "images.npy", array)
    return sources.load(config(source="npz", dir=str(tmp_path / "images.npy"), duplicates="keep", **fields))


def load_python(tmp_path, config, array, **fields):
    return in_memory.from_arrays(config(duplicates="keep", **fields), array[..., None])


def load_folder(tmp_path, config, array, **fields):
    root = write_tree(tmp_path / "d", [])
    root.mkdir(exist_ok=True)
    for i, image in enumerate(array):
        Image.fromarray(image).save(root / f"{i}.png")
    return sources.load(config(source="folder", dir=str(root), duplicates="keep", **fields))


def load_zip(tmp_path, config, array, **fields):
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for i, image in enumerate(array):
            buffer = io.BytesIO()
            Image.fromarray(image).save(buffer, "PNG")
            archive.writestr(f"{i}.png", buffer.getvalue())
    return sources.load(config(source="folder", dir=str(tmp_path / "d.zip"), duplicates="keep", **fields))


LOADERS = (load_npz, load_npy, load_python, load_folder, load_zip)


@pytest.mark.parametrize("load", LOADERS)
def test_masks_of_0_and_1_are_warned_of_and_may_be_said(tmp_path, data_config, capsys, load):
    load(tmp_path, data_config, MASK)
    said = capsys.readouterr().err
    assert "warning: pixel values run from 0 to 1 where 255 is white" in said
    assert "set --config.data.value_range=0,1" in said
    data = load(tmp_path, data_config, MASK, value_range=(0, 1))
    np.testing.assert_array_equal(pixels(data), MASK * 255)
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("load", LOADERS)
def test_clean_bytes_get_one_line(tmp_path, data_config, capsys, load):
    array = RNG.integers(0, 256, (12, 5, 4)).astype(np.uint8)
    data = load(tmp_path, data_config, array)
    np.testing.assert_array_equal(pixels(data), array)
    lines = [line for line in capsys.readouterr().err.splitlines() if "pixel values" in line]
    assert len(lines) == 1 and lines[0].startswith("pixel values run from") and "warning" not in lines[0]


@pytest.mark.parametrize("load", [load_npz, load_npy, load_python])
@pytest.mark.parametrize(
    "array, low, high",
    [
        (RNG.random((12, 5, 4)).astype(np.float32), 0, 1),
        (RNG.random((12, 5, 4)) * 2 - 1, -1, 1),
        (RNG.integers(0, 4096, (12, 5, 4)).astype(np.uint16), 0, 4095),
        (RNG.integers(0, 65536, (12, 5, 4)).astype(np.uint16), 0, 65535),
        (RNG.integers(0, 256, (12, 5, 4)).astype(np.int64), 0, 255),
        (RNG.integers(0, 17, (12, 5, 4)).astype(np.float64), 0, 16),
        (RNG.random((12, 5, 4)).astype(np.float16), 0, 1),
    ],
)
def test_other_numbers_are_refused_with_the_flag_that_reads_them(tmp_path, data_config, load, array, low, high):
    with pytest.raises(errors.UserError, match="must be .*uint8") as mistake:
        load(tmp_path, data_config, array)
    assert "\n" not in str(mistake.value)
    if load is not load_python:
        assert f"--config.data.value_range={low},{high if high != 16 else 255}" in str(mistake.value)
    data = load(tmp_path, data_config, array, value_range=(low, high))
    np.testing.assert_array_equal(pixels(data), np.rint((array.astype(np.float64) - low) * 255 / (high - low)))


def test_16_bit_files_in_a_range_of_their_own(tmp_path, data_config, capsys):
    array = RNG.integers(0, 4096, (12, 5, 4)).astype(np.uint16)
    load_folder(tmp_path, data_config, array)
    assert "warning: pixel values run from 0 to 16" in capsys.readouterr().err
    data = load_folder(tmp_path, data_config, array, value_range=(0, 4095))
    np.testing.assert_array_equal(pixels(data), np.rint(array / 4095 * 255))


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_tiffs_without_an_8_bit_range_are_read_in_a_given_one(encode, dtype):
    values = (np.arange(12).reshape(3, 4) * 10_000).astype(dtype)
    data = encode(values, "TIFF")
    with pytest.raises(images.Unusable, match="data.value_range"):
        images.decode(data)
    found = np.asarray(images.decode(data, (0.0, 110_000.0)))
    np.testing.assert_array_equal(found, np.rint(values / 110_000 * 255))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.5, 1.5])
@pytest.mark.parametrize("load", [load_npz, load_npy, load_python])
def test_values_outside_the_range_are_refused(tmp_path, data_config, load, bad):
    array = RNG.random((12, 5, 4))
    array[3, 2, 1] = bad
    with pytest.raises(errors.UserError, match="outside data.value_range=0,1"):
        load(tmp_path, data_config, array, value_range=(0, 1))


def test_files_outside_the_range_are_skipped_by_name(tmp_path, data_config, capsys):
    array = MASK.copy()
    array[3, 0, 0] = 255  # "ignore" in some masks
    data = load_folder(tmp_path, data_config, array, value_range=(0, 1))
    assert sum(len(split["image"]) for split in data.splits.values()) == 11
    assert "3.png (values from 0 to 255, outside data.value_range)" in capsys.readouterr().err


@pytest.mark.parametrize("given", [(1, 0), (0,), (0, 0), (0, 1, 2)])
def test_a_range_is_two_values(data_config, given):
    with pytest.raises(errors.UserError, match="data.value_range"):
        sources.load(data_config(source="digits", value_range=given))


def test_bool_needs_no_range():
    np.testing.assert_array_equal(value_range.to_uint8("a", MASK == 1, ()), MASK * 255)
