"""Every odd kind of image against pixel values worked out by hand."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vae_jax import errors
from vae_jax.data import images


def pixels(data, **recipe):
    return images.fit(images.decode(data), images.Recipe(**recipe))


RAMP = np.array([[0, 50, 100], [150, 200, 255]], np.uint8)
COLOUR = np.stack([RAMP, 255 - RAMP, RAMP // 2], axis=-1)


def test_grey_stays_one_channel(encode):
    np.testing.assert_array_equal(pixels(encode(RAMP)), RAMP[..., None])


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM"])
def test_colour_in_lossless_formats(encode, format):
    np.testing.assert_array_equal(pixels(encode(COLOUR, format)), COLOUR)


def test_bilevel(encode):
    bits = Image.fromarray(RAMP).point(lambda v: 255 * (v > 120)).convert("1")
    np.testing.assert_array_equal(pixels(encode(bits))[..., 0], np.where(RAMP > 120, 255, 0))


def test_palette(encode):
    picture = Image.new("P", (3, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    picture.putdata([2, 0, 1])
    expected = [[[70, 80, 90], [10, 20, 30], [40, 50, 60]]]
    np.testing.assert_array_equal(pixels(encode(picture)), expected)
    np.testing.assert_array_equal(pixels(encode(picture, "GIF")), expected)


def test_palette_with_a_transparent_entry_shows_white(encode):
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putdata([0, 1])
    data = encode(picture, transparency=1)
    np.testing.assert_array_equal(pixels(data), [[[10, 20, 30], [255, 255, 255]]])


def test_alpha_is_composited_onto_white(encode):
    rgba = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], np.uint8)
    # 51 / 255 is one fifth: 0.2 * colour + 0.8 * 255.
    np.testing.assert_array_equal(pixels(encode(rgba)), [[[200, 100, 0], [255, 255, 255], [244, 224, 204]]])


def test_grey_with_alpha_stays_grey(encode):
    grey = Image.fromarray(np.array([[[100, 255], [100, 0], [100, 51]]], np.uint8), "LA")
    np.testing.assert_array_equal(pixels(encode(grey)), [[[100], [255], [224]]])


def test_grey_with_a_transparent_level_stays_grey(encode):
    data = encode(RAMP, transparency=50)
    expected = np.where(RAMP == 50, 255, RAMP)[..., None]
    np.testing.assert_array_equal(pixels(data), expected)


def test_cmyk(encode):
    cmyk = np.zeros((8, 8, 4), np.uint8)
    cmyk[..., 0], cmyk[..., 3] = 255, 51  # full cyan, a fifth of black: (0, 204, 204)
    for format in ("TIFF", "JPEG"):
        found = pixels(encode(Image.fromarray(cmyk, "CMYK"), format))
        np.testing.assert_allclose(found, np.broadcast_to([0, 204, 204], (8, 8, 3)), atol=2)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grey_is_scaled_not_clipped(encode, format):
    values = np.array([[0, 128, 129, 257], [256 * 100, 32768, 65534, 65535]], np.uint16)
    expected = np.rint(values / 257).astype(np.uint8)
    assert expected.max() == 255 and expected[0].tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(pixels(encode(values, format))[..., 0], expected)


@pytest.mark.parametrize("values", [np.full((2, 2), 70000, np.int32), np.ones((2, 2), np.float32)])
def test_pixels_without_an_8_bit_range_are_refused(encode, values):
    with pytest.raises(images.Unusable, match="pixels"):
        images.decode(encode(values, "TIFF"))


@pytest.mark.parametrize(
    "orientation, upright",
    [
        (1, lambda x: x),
        (2, lambda x: x[:, ::-1]),
        (3, lambda x: x[::-1, ::-1]),
        (4, lambda x: x[::-1]),
        (5, lambda x: x.swapaxes(0, 1)),
        (6, lambda x: np.rot90(x, -1)),
        (7, lambda x: x[::-1, ::-1].swapaxes(0, 1)),
        (8, lambda x: np.rot90(x)),
    ],
)
def test_exif_orientation_is_applied(encode, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(pixels(encode(COLOUR, "PNG", exif=exif)), upright(COLOUR))


def test_exif_orientation_of_a_jpeg(encode):
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: the left comes to the top
    found = pixels(encode(stored, "JPEG", quality=95, exif=exif))
    assert found.shape == (32, 16, 3)
    assert found[:14].min() > 240 and found[18:].max() < 15


def test_truncated_garbage_empty_and_vector_files_are_unusable(encode):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for format in ("JPEG", "PNG", "GIF", "BMP", "WEBP"):
        data = encode(noise, format)
        with pytest.raises(images.Unusable):
            images.decode(data[: len(data) // 2])
    with pytest.raises(images.Unusable, match="truncated"):
        images.decode(encode(noise, "JPEG")[:-300])
    with pytest.raises(images.Unusable, match="not an image"):
        images.decode(b"GIF89 or not")
    with pytest.raises(images.Unusable, match="empty"):
        images.decode(b"")
    with pytest.raises(images.Unusable, match="not an image"):
        images.decode(encode(noise, "EPS"))  # would be handed to Ghostscript


@pytest.mark.parametrize("side", [12_000, 60_000])
def test_a_decompression_bomb_is_not_decoded(side):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    with pytest.raises(images.Unusable, match="too many pixels"):
        images.decode(bomb)


@pytest.mark.parametrize(
    "crop, box", [("center148", (15, 35, 163, 183)), ("wae140", (19, 39, 159, 179)), ("square", (0, 20, 178, 198))]
)
def test_crop_boxes_on_celeba(encode, coordinates, crop, box):
    assert images.crop_box(crop, 178, 218) == box
    found = pixels(encode(coordinates(218, 178)), crop=crop)
    left, top, right, bottom = box
    np.testing.assert_array_equal(found[0, 0], [left, top, 7])
    np.testing.assert_array_equal(found[-1, -1], [right - 1, bottom - 1, 7])
    assert found.shape == (bottom - top, right - left, 3)


def test_resize_averages_rather_than_samples(encode):
    stripes = np.zeros((32, 32), np.uint8)
    stripes[:, ::2] = 200
    found = pixels(encode(stripes), size=(4, 4))
    assert abs(found.astype(int) - 100).max() <= 13  # point sampling gives 0 or 200
    inner = found[:, 1:-1].astype(int)
    assert abs(inner - 100).max() <= 2


def test_resize_takes_height_then_width_and_sees_nothing_outside_the_crop(encode):
    picture = np.zeros((218, 178, 3), np.uint8)
    picture[35:183, 15:163] = 90
    found = pixels(encode(picture), crop="center148", size=(32, 64))
    assert found.shape == (32, 64, 3)
    assert (found == 90).all()


@pytest.mark.parametrize("recipe", [{"crop": "center148"}, {"size": (101, 50)}, {"size": (50, 121)}])
def test_too_small(encode, recipe):
    data = encode(np.zeros((100, 120), np.uint8))
    with pytest.raises(images.Unusable, match="too small"):
        pixels(data, **recipe)


def test_enlarging_only_when_asked(encode):
    found = pixels(encode(np.full((2, 2), 9, np.uint8)), size=(4, 6), enlarge=True)
    np.testing.assert_array_equal(found, np.full((4, 6, 1), 9))


def test_arrays_are_fitted_as_files_are(encode, coordinates):
    stack = np.stack([coordinates(50, 40), 255 - coordinates(50, 40)])
    recipe = images.Recipe("square", (16, 16))
    expected = np.stack([pixels(encode(image), crop="square", size=(16, 16)) for image in stack])
    np.testing.assert_array_equal(images.fit_array(stack, recipe), expected)
    assert images.fit_array(stack, images.Recipe("none", (50, 40))).base is stack
    with pytest.raises(errors.UserError, match="too small"):
        images.fit_array(stack, images.Recipe("wae140"))
