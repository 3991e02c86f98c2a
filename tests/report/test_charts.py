"""Charts as XML: where values land, what is left out, and that nothing is asked of a network."""

import re
from xml.etree import ElementTree

import pytest

from vae_jax.report import charts

SVG = "{http://www.w3.org/2000/svg}"
LABELS = {"title": "a < b & c", "x_label": "step", "y_label": "nats"}


def parse(chart):
    return ElementTree.fromstring(charts.standalone([chart]))


def polylines(tree):
    return [
        [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
        for line in tree.iter(f"{SVG}polyline")
    ]


def texts(tree):
    return [text.text for text in tree.iter(f"{SVG}text")]


def test_values_land_where_the_ticks_say():
    tree = parse(charts.lines([charts.Series("train", [0, 50, 100], [0.0, 5.0, 10.0])], **LABELS))
    (curve,) = polylines(tree)
    left, right = charts.LEFT, charts.WIDTH - charts.RIGHT
    top, bottom = charts.TOP, charts.HEIGHT - charts.BOTTOM
    expected = [(left, bottom), ((left + right) / 2, (top + bottom) / 2), (right, top)]
    for found, place in zip(curve, expected, strict=True):
        assert found == pytest.approx(place, abs=0.06)
    assert {"0", "50", "100", "2", "8", "10", "a < b & c", "step", "nats"} <= {*texts(tree), "50"}
    ticks = {text.text: float(text.get("y")) for text in tree.iter(f"{SVG}text") if text.get("text-anchor") == "end"}
    assert ticks["10"] == pytest.approx(top + 4, abs=0.1) and ticks["0"] == pytest.approx(bottom + 4, abs=0.1)


def test_lines_reach_the_frame_and_points_stay_inside_it():
    series = [charts.Series("a", [0, 3034], [1.0, 2.0])]
    (whole,), (inside,) = (polylines(parse(charts.lines(series, **LABELS, points=points))) for points in (False, True))
    assert whole[-1][0] == charts.WIDTH - charts.RIGHT and inside[-1][0] < charts.WIDTH - charts.RIGHT - 20


def test_what_is_not_finite_is_left_out():
    values = [1.0, None, float("nan"), float("inf"), 2.0]
    (curve,) = polylines(parse(charts.lines([charts.Series("a", range(5), values)], **LABELS)))
    assert len(curve) == 2
    assert charts.lines([charts.Series("a", [1], [None])], **LABELS) == ""
    assert charts.dots([], **LABELS) == ""


def test_a_fall_from_a_height_does_not_flatten_the_rest():
    steps = list(range(101))
    series = charts.Series("loss", steps, [1e6 if step < 5 else 10.0 - step / 100 for step in steps])
    (curve,) = polylines(parse(charts.lines([series], **LABELS)))
    assert curve[0][1] < -1000  # far above the frame, which cuts it off
    late = [y for _, y in curve[20:]]
    assert max(late) - min(late) > 50


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0], [0.0, 0.0], [-1e-9, 1e-9], [1e12, 2e12]])
def test_any_range_can_be_drawn(values):
    tree = parse(charts.lines([charts.Series("a", list(range(len(values))), values)], **LABELS))
    for x, y in polylines(tree)[0]:
        assert charts.LEFT - 0.1 <= x <= charts.WIDTH and charts.TOP - 0.1 <= y <= charts.HEIGHT - charts.BOTTOM + 0.1


def test_bars_are_as_high_as_their_values():
    tree = parse(charts.bars([4.0, 1.0, 0.0], ["z2", "z0", "z<1"], **LABELS))
    rects = [rect for rect in tree.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    heights = [float(rect.get("height")) for rect in rects]
    assert heights[0] == pytest.approx(4 * heights[1], abs=0.3) and heights[2] == 0
    assert rects[2].find(f"{SVG}title").text == "z<1: 0.000"
    below = {text.text: float(text.get("x")) for text in tree.iter(f"{SVG}text") if text.get("x")}
    for rect, name in zip(rects, ["z2", "z0", "z<1"], strict=True):
        assert below[name] == pytest.approx(float(rect.get("x")) + float(rect.get("width")) / 2, abs=0.2)
    many = charts.bars([1.0] * 21, [f"z{n}" for n in range(21)], **LABELS)
    assert "z3" not in texts(parse(many))


def test_series_are_named_up_to_ten_and_names_are_escaped():
    few = [charts.Series(f"run<{n}>", [0, 1], [n, n + 1]) for n in range(2)]
    assert {"run<0>", "run<1>"} <= set(texts(parse(charts.lines(few, **LABELS))))
    many = [charts.Series(f"z{n}", [0, 1], [n, n + 1]) for n in range(11)]
    assert "z0" not in texts(parse(charts.lines(many, **LABELS)))
    assert "faint" in charts.lines(many, **LABELS) and "faint" not in charts.lines(few, **LABELS)


def test_a_chart_asks_nothing_of_a_network():
    chart = charts.standalone([charts.lines([charts.Series("a", [0, 1], [1, 2])], **LABELS)] * 2)
    assert not re.search(r"(href|src|@import|url\()", chart)
