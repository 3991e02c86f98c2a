"""From the bytes of one image file to uint8 pixels: odd modes, orientation, crop, antialiased resize.

Hostile bytes end as `Unusable`, never as a crash: only raster formats that Pillow decodes itself are opened, and
an image of more pixels than Pillow's own limit is not decoded.
"""

import dataclasses
import io
import struct
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

from vae_jax import errors

# Not every format that Pillow knows: EPS, for one, would start Ghostscript.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000")
SUFFIXES = frozenset(".jpg .jpeg .jfif .png .bmp .gif .tif .tiff .webp .pgm .ppm .pbm .pnm .jp2 .j2k".split())

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
        enlarge: whether a picture smaller than `size` is scaled up. Files are not (a thumbnail among photographs
            is a stray); sources whose images have one size by construction are, because it was asked for.
    """

    crop: str = "none"
    size: tuple[int, ...] = ()
    enlarge: bool = False


def decode(data: bytes) -> Image.Image:
    """Decode the first frame to mode "L" (grey) or "RGB", upright.

    EXIF orientation is applied. Alpha is composited onto white. 16-bit grey becomes round(v / 257). Palette and
    CMYK images are colour, whatever their colours.

    Raises:
        Unusable: not an image, damaged, more pixels than `Image.MAX_IMAGE_PIXELS`, or without a natural 8-bit range.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                picture.load()
                ImageOps.exif_transpose(picture, in_place=True)
                return _to_grey_or_rgb(picture)
    except Unusable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise Unusable("too many pixels") from None
    except Image.UnidentifiedImageError:
        raise Unusable("not an image" if data else "empty") from None
    except (EOFError, struct.error, zlib.error, OSError, SyntaxError) as error:
        raise Unusable("truncated" if "truncated" in str(error) else "damaged") from None
    except Exception as error:  # what decoders raise on hostile bytes is no closed list
        raise Unusable(f"damaged: {type(error).__name__}") from None


def _to_grey_or_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        return _from_integers(picture)
    if picture.mode == "F":
        raise Unusable("floating-point pixels")
    grey = picture.mode in ("1", "L", "LA", "La")
    if picture.has_transparency_data or picture.mode == "RGBX":
        # RGBa and La (premultiplied) reach RGBA through their plain forms only.
        plain = {"RGBa": "RGBA", "La": "LA"}.get(picture.mode, picture.mode)
        picture = picture.convert(plain).convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture).convert("RGB")
    wanted = "L" if grey else "RGB"
    return picture if picture.mode == wanted else picture.convert(wanted)


def _from_integers(picture: Image.Image) -> Image.Image:
    """16-bit grey, in any of Pillow's integer modes, to 8 bits: round(v / 257)."""
    values = np.asarray(picture).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise Unusable("32-bit pixels")
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


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


def crop_box(crop: str, width: int, height: int) -> tuple[int, int, int, int] | None:
    """(left, top, right, bottom) of the named crop, rounded as torchvision's CenterCrop; None keeps everything.

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


def fit_array(images: np.ndarray, recipe: Recipe) -> np.ndarray:
    """`fit` for equal images that are pixels already, uint8 [N, H, W, C]; the same array if nothing changes.

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
