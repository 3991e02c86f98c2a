"""A page is well formed, shows any JSON, draws its charts, and makes no request."""

import base64
import gzip
import importlib.resources
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from vae_jax.report import charts, page

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
SHEET = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
NAME = 'a "quoted" </script> <caption>'


class Reader(HTMLParser):
    """Collects the tags that were not closed in turn, the text, and the attributes that could make a request."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.text, self.asked = [], [], "", []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)
        self.asked += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if self.open[-1:] not in (["script"], ["style"]):
            self.text += data + " "


def read(document):
    reader = Reader()
    reader.feed(document)
    assert not reader.open and not reader.wrong
    return reader


def rendered(*parts):
    return page.render("runs/<a>", "b & c", [page.Section("One", parts), page.Section("Empty", [])])


def chart(name=NAME):
    return charts.lines([charts.Series(name, [0, 1], [1.5, 2.5])], title=name, x_label="step", y_label="nats")


def test_any_json_becomes_tables():
    text = " ".join(read(rendered(page.table(TREE))).text.split())
    for words in ("digits <valid>", "-1.23457", "undefined", "random", "20 values, 0.25 to 2 ", "1, 2, 3", "beta 4"):
        assert words in text, words
    assert "metrics.deep.fid" in text
    assert page.table(3.5).blocks == [page.Block("", [("", "3.5", True)])]


def test_a_matrix_has_a_gap_where_a_row_lacks_a_number():
    rows = {"a_b": {"x": 1.5, "y<": 2.0}, "c": {"y<": 3.0}}
    made = page.matrix(rows, ["x", "y<"], lambda name: name.replace("_", " "))
    assert made == page.Matrix(["x", "y<"], [("a b", ["1.5", "2"]), ("c", ["", "3"])])
    document = rendered(page.Group("a & b", [made]))
    assert re.findall(r'<td class="number">([^<]*)</td>', document) == ["1.5", "2", "", "3"]
    assert "<h3>a &amp; b</h3>" in document


def test_every_part_is_shown_and_every_name_is_escaped():
    strips = page.strips(np.zeros((2, 3, 8, 8, 1), np.uint8), [NAME, "\u732b"], "strips")
    folded = page.Folded(NAME, [page.Preformatted("a  b")])
    row = page.Row([page.figure(SHEET, NAME), chart(), page.Text(NAME)])
    reader = read(rendered(row, strips, folded))
    assert reader.text.count(NAME) == 5  # of the figure, the chart, the text, the strip and what is folded
    assert "\u732b" in reader.text and "a  b" in reader.text and "runs/<a>" in reader.text and "b & c" in reader.text
    assert "Empty" not in reader.text


def test_a_picture_is_the_picture():
    data = re.search(r"data:image/png;base64,([^\"]+)", rendered(page.figure(SHEET, "one"))).group(1)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), SHEET)


def test_the_caption_says_that_a_picture_was_reduced():
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3)).astype(np.uint8)
    assert re.fullmatch(r"big \(stored with losses, [\d,]+ of 1,200 pixels wide\)", page.figure(noise, "big").caption)


def test_a_page_makes_no_request_and_has_plotly_inside():
    document = rendered(page.figure(SHEET, "one"), chart())
    assert all(value.startswith(("data:image/", "#section-")) for value in read(document).asked)
    assert "Content-Security-Policy\" content=\"default-src 'none'; img-src data: blob:;" in document
    packed = re.search(r'id="plotly">([^<]+)<', document).group(1)
    file = importlib.resources.files("plotly") / "package_data" / "plotly.min.js"
    assert gzip.decompress(base64.b64decode(packed)).decode() == file.read_text(encoding="utf-8")
    without = document.replace(packed, "")
    assert not re.search(r"https?:|@import|url\(|<link", without)
    figure = re.search(r'<script type="application/json">(.+?)</script>', without).group(1)
    assert json.loads(figure)["data"][0]["y"] == [1.5, 2.5]


def test_a_page_without_charts_has_no_plotly():
    assert len(rendered(page.Text("words"))) < 20_000


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser chromium")
def test_a_browser_draws_the_chart(tmp_path):
    (tmp_path / "page.html").write_text(rendered(page.Row([chart(), page.figure(SHEET, "one")])))
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += [
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        f"--user-data-dir={tmp_path / 'user'}",
    ]
    command += ["--virtual-time-budget=10000", "--dump-dom", f"file://{tmp_path / 'page.html'}"]
    drawn = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert 'class="main-svg"' in drawn and 'class="js-line"' in drawn
