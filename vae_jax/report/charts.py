"""Charts of numbers: plotly figures as plain dictionaries, which a page draws when it is opened.

Plotly was chosen over SVG pictures by matplotlib because a reader can point at a curve and read off the values, enlarge
a part of it and hide a series. The price is plotly's script in every page: 2.0 MB after compression. The library is
imported by the functions that draw, so that a command without a chart does not wait for the import.

The layout of a page is in `page`. Colours and fonts are in `templates/page.js`, since they follow the reader's light or
dark theme.
"""

import html
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

MARKED_VALUES = 20  # a line of at most so many values has a marker at each value
MOST_NAMED = 10  # more series than this are drawn faint and have no legend; pointing at one shows its name
MOST_POINTS = 2000  # values drawn of one series


class Series(NamedTuple):
    """Values y at places x under one name; None and values that are not finite leave a gap in a line."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]


class Chart(NamedTuple):
    """A chart for a page: its title, and plotly's `data` and `layout` as values that JSON can hold."""

    title: str
    figure: dict[str, Any]


def lines(series: Sequence[Series], *, title: str, x_label: str, y_label: str, markers: bool = False) -> Chart | None:
    """Return a chart with one line for each series, or None where no series has a finite value.

    With more than MARKED_VALUES values the visible part of the vertical axis covers only what is reached after the
    first tenth of the horizontal axis. Otherwise a loss that falls from a height would flatten the rest of its curve.
    A double click on the chart shows everything.

    Args:
        series: what is drawn, in the order of the legend.
        title: the chart's heading.
        x_label: the name of the horizontal axis.
        y_label: the name of the vertical axis, with the unit.
        markers: whether a marker is drawn at each value, however many there are.
    """
    series = _finite(series)
    if not series:
        return None
    longest = max(len(one.x) for one in series)
    stride = math.ceil(longest / MOST_POINTS)
    mode = "lines+markers" if markers or longest <= MARKED_VALUES else "lines"
    if stride > 1:
        x_label = f"{x_label} (one value in {stride} is drawn)"
    thinned = [Series(one.name, one.x[::stride], one.y[::stride]) for one in series]
    figure = _figure(thinned, mode, x_label, y_label)
    if longest > MARKED_VALUES:
        figure["layout"]["yaxis"] |= {"range": _late_range(series), "autorange": False}
    return Chart(title, figure)


def points(series: Sequence[Series], *, title: str, x_label: str, y_label: str) -> Chart | None:
    """Return a chart with a marker for each value and no lines, or None where no series has a finite value."""
    series = _finite(series)
    return Chart(title, _figure(series, "markers", x_label, y_label)) if series else None


def bars(values: Sequence[float], names: Sequence[str], *, title: str, x_label: str, y_label: str) -> Chart:
    """Return a chart with a bar for each value, in the order given, and the names below the bars."""
    import plotly.graph_objects as go

    escaped = [html.escape(name, quote=False) for name in names]
    bar = go.Bar(x=escaped, y=_rounded(values), hovertemplate="%{x}: %{y:.6g}<extra></extra>")
    return Chart(title, _plain([bar], x_label, y_label, xaxis_type="category"))


def _figure(series: Sequence[Series], mode: str, x_label: str, y_label: str) -> dict[str, Any]:
    import plotly.graph_objects as go

    named = len(series) <= MOST_NAMED
    traces = [
        go.Scatter(
            x=_rounded(one.x),
            y=_rounded(one.y),
            mode=mode,
            name=html.escape(one.name, quote=False),  # plotly reads <b> and <a> in a name as markup
            opacity=1.0 if named else 0.6,
            line_width=1.6 if named else 1.0,
            hovertemplate="%{x:,}, %{y:.6g}",
        )
        for one in series
    ]
    return _plain(traces, x_label, y_label, showlegend=1 < len(series) <= MOST_NAMED, hovermode="closest")


def _plain(traces: list[Any], x_label: str, y_label: str, **layout: Any) -> dict[str, Any]:
    """Return traces and a layout as dictionaries, after plotly has checked the names of all their fields."""
    import plotly.graph_objects as go

    labels = {
        "xaxis_title_text": html.escape(x_label, quote=False),
        "yaxis_title_text": html.escape(y_label, quote=False),
    }
    figure = go.Figure(traces, go.Layout(template={}, **labels, **layout)).to_plotly_json()
    return {"data": figure["data"], "layout": figure["layout"]}


def _finite(series: Sequence[Series]) -> list[Series]:
    """Return the series that have a finite value, with None in place of each value that is not finite."""
    cleaned = [
        Series(one.name, one.x, [y if y is not None and math.isfinite(y) else None for y in one.y]) for one in series
    ]
    return [one for one in cleaned if any(y is not None for y in one.y)]


def _late_range(series: Sequence[Series]) -> list[float]:
    """Return the ends of a vertical axis that shows all values after the first tenth of the horizontal axis."""
    pairs = [(x, y) for one in series for x, y in zip(one.x, one.y, strict=True) if y is not None]
    first, last = min(x for x, _ in pairs), max(x for x, _ in pairs)
    late = [y for x, y in pairs if x >= first + 0.1 * (last - first)]
    low, high = min(late), max(late)
    margin = 0.05 * (high - low) or 0.5 * abs(high) or 1.0
    return _rounded([low - margin, high + margin])


def _rounded(values: Sequence[float | None]) -> list[Any]:
    """Return numbers with seven significant digits, which keeps a page small; whole numbers stay as they are."""
    return [value if value is None or isinstance(value, int) else float(f"{value:.7g}") for value in values]
