"""A page is well formed, shows any JSON, and asks nothing of a network."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
from PIL import Image

from vae_jax.report import page

TREE = {
    "checkpoint": 7,
    "images": "digits <valid>",
    "metrics": {"elbo": -1.23456789, "bad": float("nan"), "deep": {"fid": {"value": 2.0, "features": "random"}}},
    "kl": [0.5, 0.25, 2.0, *[0.5] * 17],
    "sizes": [1, 2, 3],
    "rows": [{"beta": 1.0}, {"beta": 4.0}],
    "none": None,
    "yes": True,
    "empty": {},
}


class Balance(HTMLParser):
    """Collects the tags that were not closed in turn, and the text."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.text += data + " "


def read(document):
    parser = Balance()
    parser.feed(document)
    assert not parser.open and not parser.wrong
    return parser.text


def test_any_json_becomes_tables():
    text = read(page.table(TREE))
    for words in ("digits <valid>", "-1.23457", "undefined", "random", "20 values, 0.25 to 2 ", "1, 2, 3", "beta 4"):
        assert words in " ".join(text.split()), words
    assert read(page.table(3.5)).strip() == "3.5"


def test_a_matrix_has_a_gap_where_a_row_lacks_a_number():
    rows = {"a_b": {"x": 1.5, "y<": 2.0}, "c": {"y<": 3.0}}
    made = page.matrix(rows, ["x", "y<"], lambda name: name.replace("_", " "))
    assert read(made).split() == ["x", "y<", "a", "b", "1.5", "2", "c", "3"]
    assert re.findall(r'<td class="number">([^<]*)</td>', made) == ["1.5", "2", "", "3"]
    assert "<h3>a &amp; b</h3>inside" in page.part("a & b", "inside")
    # Beside another part its last columns would be cut off: it has the page's width for itself.
    assert '<div class="wide matrix">' in made and ".part:has(.matrix){flex-basis:100%;" in page.STYLE


def test_pictures_are_inside_and_nothing_is_asked_of_a_network():
    sheet = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    parts = [page.picture(sheet, 'a "quoted" <caption>'), page.text("words"), page.preformatted("a  b")]
    document = page.page("runs/<a>", "b & c", [page.section("One", page.row(*parts)), page.section("None", "")])
    text = read(document)
    assert "runs/<a>" in text and "b & c" in text and "None" not in text
    data = re.search(r"data:image/png;base64,([^\"]+)", document).group(1)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), sheet)
    assert "pixelated" not in document  # a sheet wider than the page shrinks, which must not drop lines of its labels
    without_data = re.sub(r"data:[^\"]+", "", document)
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<link", without_data)
