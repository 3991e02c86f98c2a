"""From the bytes of one image file to uint8 pixels: odd modes, orientation, frames, crop, antialiased resize.

Hostile bytes end as `Unusable`, never as a crash: only raster formats that Pillow decodes itself are opened, and
an image of more pixels than Pillow's own limit is not decoded. Arrays come here for crop and size alone (`fit_array`).
"""

import dataclasses
import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageOps

from vae_jax import errors

# Not every format that Pillow knows: EPS, for one, would start Ghostscript.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000")
# The most common first.
SUFFIXES = tuple(".jpg .jpeg .png .webp .tif .tiff .bmp .gif .jfif .ppm .pgm .pbm .pnm .jp2 .j2k .apng".split())
ANIMATED = (".gif", ".tif", ".tiff", ".webp", ".png", ".apng")  # formats that may hold several frames

# Side of the centred square, in source pixels; 0 is the largest that fits. On CelebA's 178 x 218 images
# center148 (PyTorch-VAE) is the box (15, 35, 163, 183) and wae140 (WAE, RAE) the box (19, 39, 159, 179).
CROPS = {"none": None, "center148": 148, "wae140": 140, "square": 0}


class Unusable(Exception):
    """An image that is skipped, with the reason in a few words."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a picture becomes pixels.

    Attributes:
        crop: a name of CROPS.
        size: (height, width) to resize to; () keeps the cropped size.
        enlarge: whether a picture smaller than `size` is scaled up. A small file among photographs is a stray and is
            skipped; sources whose images have one size by construction are enlarged, because that was asked for.
        value_range: the (lowest, highest) value of the files, which become black and white; () takes the range of the
            file's type, such as 0 to 255.
        frames: "first" uses the first frame of an animation or of a file with several pages, "all" uses every frame.
    """

    crop: str = "none"
    size: tuple[int, ...] = ()
    enlarge: bool = False
    value_range: tuple[float, ...] = ()
    frames: str = "first"


def decode(data: bytes, value_range: tuple[float, ...] = (), frame: int = 0) -> Image.Image:
    """Return one frame in mode "L" (grey) or "RGB", upright.

    EXIF orientation is applied. Alpha is composited onto white. 16-bit grey becomes round(v / 257). Palette and
    CMYK images are colour, whatever their colours.

    Args:
        data: the bytes of the file.
        value_range: as in `Recipe`.
        frame: the number of the frame.

    Raises:
        Unusable: not an image, damaged, more pixels than `Image.MAX_IMAGE_PIXELS`, or values without a known range.
    """
    return decode_and_count(data, value_range, frame)[0]


def decode_and_count(data: bytes, value_range: tuple[float, ...] = (), frame: int = 0) -> tuple[Image.Image, int]:
    """Return what `decode` returns, and the number of frames in the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                frames = num_frames(picture)
                if frame:
                    picture.seek(frame)
                picture.load()
                ImageOps.exif_transpose(picture, in_place=True)
                return _to_grey_or_rgb(picture, value_range), frames
    except Unusable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise Unusable("too many pixels") from None
    except Image.UnidentifiedImageError:
        raise Unusable("not an image" if data else "empty") from None
    except (EOFError, struct.error, zlib.error, OSError, SyntaxError) as error:
        raise Unusable("truncated" if "truncated" in str(error) else "damaged") from None
    except Exception as error:  # decoders raise errors of no closed list on hostile bytes
        raise Unusable(f"damaged: {type(error).__name__}") from None


def num_frames(picture: Image.Image) -> int:
    """Return the number of frames of an open picture; 1 for the photographs of phones, whose others are thumbnails."""
    if picture.format == "MPO" or not getattr(picture, "is_animated", False):
        return 1
    return int(getattr(picture, "n_frames", 1))


def count_frames(data: bytes) -> int:
    """Return the number of frames of a file, 1 where the file cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                return num_frames(picture)
    except Exception:  # decoders raise errors of no closed list on hostile bytes
        return 1


def frame_of(name: str, recipe: Recipe) -> tuple[str, int]:
    """Return the file and the frame that a name means: with `recipe.frames` "all", "a.gif/3" is frame 3 of a.gif."""
    file, _, number = name.rpartition("/")
    if recipe.frames == "all" and number.isdecimal() and file.lower().endswith(SUFFIXES):
        return file, int(number)
    return name, 0


def _to_grey_or_rgb(picture: Image.Image, value_range: tuple[float, ...]) -> Image.Image:
    if picture.mode.startswith("I") or (picture.mode == "F" and value_range):
        return _from_numbers(picture, value_range)
    if picture.mode == "F":
        raise Unusable("floating-point pixels: data.value_range says which values are black and white")
    bilevel = picture.mode == "1"
    grey = picture.mode in ("1", "L", "LA", "La")
    if picture.has_transparency_data or picture.mode == "RGBX":
        # RGBa and La (premultiplied) reach RGBA through their plain forms only.
        plain = {"RGBa": "RGBA", "La": "LA"}.get(picture.mode, picture.mode)
        picture = picture.convert(plain).convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture).convert("RGB")
    wanted = "L" if grey else "RGB"
    picture = picture if picture.mode == wanted else picture.convert(wanted)
    return picture if bilevel or not value_range else _from_numbers(picture, value_range)


def _from_numbers(picture: Image.Image, value_range: tuple[float, ...]) -> Image.Image:
    """Return 8-bit pixels, round(255 (v - low) / (high - low)); without a range 0 and 65535 are low and high."""
    values = np.asarray(picture)
    low, high = value_range or (0, 65535)
    if not value_range and (values.min() < 0 or values.max() > 65535):
        raise Unusable("32-bit pixels: data.value_range says which values are black and white")
    if not (values.min() >= low and values.max() <= high):  # NaN fails both
        raise Unusable(f"values from {values.min():g} to {values.max():g}, outside data.value_range")
    if not value_range:
        return Image.fromarray(((values.astype(np.int64) * 255 + 32767) // 65535).astype(np.uint8))
    return Image.fromarray(np.rint((values.astype(np.float64) - low) * (255 / (high - low))).astype(np.uint8))


def fit(picture: Image.Image, recipe: Recipe) -> np.ndarray:
    """Crop, then resize with antialiasing (bilinear, as torchvision on Pillow images), uint8 [H, W, C].

    Raises:
        Unusable: smaller than the crop, or (unless `recipe.enlarge`) shorter than `recipe.size` on either side.
    """
    box = crop_box(recipe.crop, picture.width, picture.height)
    if box is not None:
        picture = picture.crop(box)
    if recipe.size:
        height, width = recipe.size
        if not recipe.enlarge and (picture.height < height or picture.width < width):
            raise Unusable(f"too small: {picture.height}x{picture.width} for {height}x{width}")
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(picture)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def remedy_for_small(reasons: Iterable[str]) -> str:
    """Return the flag with which images skipped for these reasons would be large enough, "" where none is too small."""
    reasons = list(reasons)
    sizes = [found for reason in reasons if (found := re.match(r"too small: (\d+)x(\d+) for \d+x\d+", reason))]
    if sizes:
        return f"--config.data.image_size={min(int(s[1]) for s in sizes)},{min(int(s[2]) for s in sizes)}"
    return "--config.data.crop=square" if any(r.startswith("too small") for r in reasons) else ""


def crop_box(crop: str, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Return (left, top, right, bottom) of the named crop, rounded as torchvision's CenterCrop; None keeps everything.

    Raises:
        Unusable: the picture is smaller than the crop.
    """
    side = CROPS[crop]
    if side is None:
        return None
    side = side or min(width, height)
    if side > width or side > height:
        raise Unusable(f"too small: {height}x{width} for the crop {crop}")
    left, top = round((width - side) / 2), round((height - side) / 2)
    return left, top, left + side, top + side


def too_small(crop: str, width: int, height: int) -> bool:
    """Return whether a picture of this size is too small for the crop."""
    try:
        crop_box(crop, width, height)
    except Unusable:
        return True
    return False


def fit_array(images: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Return what `fit` makes of equal images that are pixels already, uint8 [N, H, W, C].

    The same array comes back if nothing changes.

    Raises:
        UserError: the images are smaller than the crop.
    """
    height, width = images.shape[1:3]
    try:
        box = crop_box(recipe.crop, width, height)
    except Unusable as reason:
        raise errors.UserError(f"every image is {reason}: choose another --config.data.crop") from None
    left, top, right, bottom = box or (0, 0, width, height)
    images = images[:, top:bottom, left:right]
    if not recipe.size or images.shape[1:3] == tuple(recipe.size):
        return images
    out = np.empty((len(images), *recipe.size, images.shape[3]), np.uint8)
    recipe = dataclasses.replace(recipe, crop="none", enlarge=True)
    for row, image in zip(out, images, strict=True):
        for channel in range(images.shape[3]):
            row[:, :, channel] = fit(Image.fromarray(np.ascontiguousarray(image[:, :, channel])), recipe)[:, :, 0]
    return out
