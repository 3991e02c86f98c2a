"""Labels beside rows of images: none covers an image, and every character is drawn or replaced by its escape."""

import numpy as np
import pytest

from vae_jax.report import pictures, row_labels

ROWS = np.full((2, 3, 64, 64, 1), 50, np.uint8)
NAMES = [
    ["z0\n1.20 nats", "z1"],
    ["+ Wearing Necklace to a name without any end " * 5, "b"],
    ["W" * 300, "\u732b to \u72ac"],
    ["", "line\n" * 30],
]


@pytest.mark.parametrize("labels", NAMES)
def test_no_label_lies_over_an_image_or_leaves_its_row(labels):
    sheet, images = pictures.labelled_rows(ROWS, labels), pictures.grid(ROWS.reshape(6, 64, 64, 1), 3)
    width = sheet.shape[1] - images.shape[1]
    np.testing.assert_array_equal(sheet[:, width:], images)
    margin = sheet[:, :width]
    assert (margin[:, :3] == 255).all() and (margin[:, -3:] == 255).all()  # nothing is cut off at the sides
    for label, strip in zip(labels, (margin[:66], margin[66:132]), strict=True):
        assert (strip.min() < 128) == bool(label)


def test_a_character_without_a_font_is_written_as_its_escape(monkeypatch):
    monkeypatch.setattr(row_labels, "SYSTEM_FONTS", ())
    assert row_labels.drawable("cat 7")[0] == "cat 7"
    assert row_labels.drawable("\u732b to caf\u00e9")[0] == "\\u732b to caf\\xe9"
    assert row_labels.drawable("cafe\u0301")[0] == "caf\\xe9"  # the same name in another normal form
    assert row_labels.drawable("a\x07\U0001f600")[0] == "a\\x07\\U0001f600"


def test_a_font_that_has_every_character_is_used():
    label, font = row_labels.drawable("caf\u00e9")
    if label != "caf\u00e9":
        pytest.skip("this machine has none of the fonts")
    assert row_labels._shape(font, "\u00e9") != row_labels._shape(font, "\U0010ffff")


def test_a_font_without_a_character_is_passed_over():
    own = row_labels.ImageFont.load_default(row_labels.SIZE)
    assert row_labels._has(own, "a") and not row_labels._has(own, "\u732b")


def test_a_long_label_ends_in_dots():
    assert row_labels._wrapped("abcd " * 20, 2) == ["abcd abcd abcd abcd abcd"[:24], "abcd abcd abcd abcd a..."]
