"""Labels drawn beside rows of images, in any script: a margin as wide as the labels, so that no label covers an image.

Pillow's own font has ASCII alone. A label in another script is drawn in a font of the operating system that has all of
the label's characters, and without such a font each missing character is written as its escape, such as \\u732b.
A page does not need this file: the browser draws the labels there.
"""

import functools
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE = 11  # pixels, of the letters
LINE = 14  # pixels from one line to the next
PADDING = 6  # pixels to either side of a label
LONGEST_LINE = 24  # characters; a longer label is wrapped
MISSING = "\U0010ffff"  # a character that no font has
# The common fonts of Linux, Windows and macOS, those with many scripts last.
SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "segoeui.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "msyh.ttc",
    "PingFang.ttc",
)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def margin(labels: Sequence[str], row_height: int) -> np.ndarray:
    """Return a white picture [len(labels) row_height, W, 3], uint8, with each label in the middle of its row.

    A label that is too long for its row ends in three dots.
    """
    drawn = [drawable(label) for label in labels]
    texts = [(_wrapped(text, max(1, row_height // LINE)), font) for text, font in drawn]
    width = 2 * PADDING + max((int(font.getlength(line)) + 1 for lines, font in texts for line in lines), default=0)
    return np.concatenate([_strip(lines, font, width, row_height) for lines, font in texts])


def drawable(label: str) -> tuple[str, Font]:
    """Return a label and the first font that can draw the label, or the label with escapes for Pillow's own font."""
    label = unicodedata.normalize("NFC", label)
    own = ImageFont.load_default(SIZE)
    for font in (own, *_system_fonts(label)):
        if all(_has(font, character) for character in label):
            return label, font
    return "".join(c if _has(own, c) else c.encode("unicode_escape").decode() for c in label), own


def _system_fonts(label: str) -> list[ImageFont.FreeTypeFont]:
    """Return the fonts of the operating system; none for a label in ASCII, which needs no search of the disk."""
    return [] if label.isascii() else [font for name in SYSTEM_FONTS if (font := _system_font(name)) is not None]


@functools.cache
def _system_font(name: str) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(name, SIZE)
    except OSError:
        return None


def _has(font: Font, character: str) -> bool:
    """Return whether a font draws a character otherwise than a character that is missing from the font."""
    if character == "\n":
        return True
    if not isinstance(font, ImageFont.FreeTypeFont):  # Pillow without FreeType draws in Latin-1
        return ord(character) < 256 and character.isprintable()
    return character.isprintable() and _shape(font, character) != _shape(font, MISSING)


def _shape(font: ImageFont.FreeTypeFont, character: str) -> tuple[tuple[int, int], bytes]:
    """Return the size of a character's picture and its pixels."""
    mask: Any = font.getmask(character)
    return mask.size, bytes(mask)


def _wrapped(text: str, most_lines: int) -> list[str]:
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, LONGEST_LINE) or [""]]
    return lines if len(lines) <= most_lines else [*lines[: most_lines - 1], f"{lines[most_lines - 1][:-3]}..."]


def _strip(lines: list[str], font: Font, width: int, height: int) -> np.ndarray:
    image = Image.new("RGB", (width, height), "white")
    draw, middle = ImageDraw.Draw(image), (height - LINE * (len(lines) - 1)) / 2
    for index, line in enumerate(lines):
        anchor = "lm" if isinstance(font, ImageFont.FreeTypeFont) else None
        draw.text((PADDING, middle + LINE * index), line, "black", font, anchor)
    return np.asarray(image)
