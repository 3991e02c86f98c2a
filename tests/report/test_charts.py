"""Charts: the values that plotly is given, what is left out, and names that look like markup."""

import json

import pytest

from vae_jax.report import charts

LABELS = {"title": "a < b & c", "x_label": "step", "y_label": "nats"}


def drawn(chart):
    """What a browser receives: the chart's traces and layout after JSON."""
    figure = json.loads(json.dumps(chart.figure, allow_nan=False))
    return figure["data"], figure["layout"]


def test_lines_have_the_values_that_were_given():
    series = [charts.Series("train", [0, 50, 100], [0.0, 5.5, 10.0]), charts.Series("eval", [100], [7.25])]
    chart = charts.lines(series, **LABELS)
    (train, evaluated), layout = drawn(chart)
    assert (train["name"], train["x"], train["y"]) == ("train", [0, 50, 100], [0.0, 5.5, 10.0])
    assert (evaluated["x"], evaluated["y"], evaluated["mode"]) == ([100], [7.25], "lines+markers")
    assert layout["xaxis"]["title"]["text"] == "step" and layout["yaxis"]["title"]["text"] == "nats"
    assert layout["showlegend"] and chart.title == "a < b & c"


def test_what_is_not_finite_leaves_a_gap():
    values = [1.0, None, float("nan"), float("inf"), 2.0]
    (trace,), _ = drawn(charts.lines([charts.Series("a", range(5), values)], **LABELS))
    assert trace["y"] == [1.0, None, None, None, 2.0]
    assert charts.lines([charts.Series("a", [1], [None])], **LABELS) is None
    assert charts.points([], **LABELS) is None


def test_a_fall_from_a_height_does_not_flatten_the_rest():
    steps = list(range(101))
    series = charts.Series("loss", steps, [1e6 if step < 5 else 10.0 - step / 100 for step in steps])
    (trace,), layout = drawn(charts.lines([series], **LABELS))
    assert trace["y"][0] == 1e6  # a double click shows the value, since it is still there
    assert layout["yaxis"]["range"] == pytest.approx([9.0 - 0.045, 9.9 + 0.045])
    _, few = drawn(charts.lines([charts.Series("loss", [0, 1], [1e6, 1.0])], **LABELS))
    assert "range" not in few["yaxis"]


@pytest.mark.parametrize("value", [0.0, 3.0, -1e12])
def test_a_constant_has_an_axis_around_it(value):
    _, layout = drawn(charts.lines([charts.Series("a", list(range(30)), [value] * 30)], **LABELS))
    low, high = layout["yaxis"]["range"]
    assert low < value < high


def test_bars_are_in_the_order_given():
    (bar,), layout = drawn(charts.bars([4.0, 1.0, 0.0], ["z2", "z0", "z<1"], **LABELS))
    assert (bar["x"], bar["y"], layout["xaxis"]["type"]) == (["z2", "z0", "z&lt;1"], [4.0, 1.0, 0.0], "category")


def test_series_are_in_the_legend_up_to_ten_and_names_are_no_markup():
    few = [charts.Series(f"run<b>{n}", [0, 1], [n, n + 1]) for n in range(2)]
    traces, layout = drawn(charts.lines(few, **LABELS))
    assert [trace["name"] for trace in traces] == ["run&lt;b&gt;0", "run&lt;b&gt;1"]
    assert layout["showlegend"] and traces[0]["opacity"] == 1
    many = [charts.Series(f"z{n}", [0, 1], [n, n + 1]) for n in range(11)]
    traces, layout = drawn(charts.lines(many, **LABELS))
    assert not layout["showlegend"] and traces[0]["opacity"] < 1 and traces[10]["name"] == "z10"


def test_a_long_series_is_thinned_and_the_chart_says_so():
    steps = list(range(10_000))
    (trace,), layout = drawn(charts.lines([charts.Series("loss", steps, [float(s) for s in steps])], **LABELS))
    assert trace["x"] == steps[::5] and trace["y"] == steps[::5]
    assert layout["xaxis"]["title"]["text"] == "step (one value in 5 is drawn)"
