"""Numbers to charts: small SVG pictures as text, in the page's own colours, light or dark."""

import html
import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 66, 18, 42, 40
MANY_VALUES = 20
MOST_NAMED = 10  # series with a colour and a place in the legend each; of more none is named

# Okabe and Ito's colours, told apart by the colour-blind, but yellow and black for one that is seen on white.
STYLE = """
svg.chart{font:11px system-ui,sans-serif;color:#222}
svg.chart text{fill:currentColor} svg.chart .frame{stroke:currentColor;stroke-opacity:.18;fill:none}
svg.chart .line{fill:none;stroke-width:1.6;stroke-linejoin:round} svg.chart .faint{stroke-opacity:.55;stroke-width:1}
.c0{--c:#0072b2}.c1{--c:#d55e00}.c2{--c:#009e73}.c3{--c:#cc79a7}.c4{--c:#56b4e9}.c5{--c:#e69f00}.c6{--c:#7f7f7f}
.c7{--c:#a65628}.c8{--c:#a0a010}.c9{--c:#5540b0} svg.chart .line{stroke:var(--c)} svg.chart .dot{fill:var(--c)}
@media (prefers-color-scheme:dark){svg.chart{color:#ddd}.c0{--c:#4aa8e0}.c1{--c:#f08040}.c9{--c:#9a8cf0}}
"""


class Series(NamedTuple):
    name: str
    x: Sequence[float]
    y: Sequence[float | None]  # None, or what is not finite, leaves a gap


def lines(series: Sequence[Series], *, title: str, x_label: str, y_label: str, points: bool = False) -> str:
    """Draw series over a common frame, as lines, or, with `points`, as lines with a dot at each value.

    Where there are many values, the vertical axis leaves out what the first tenth of the horizontal one alone reaches:
    a loss that falls from a height would flatten all that follows.
    """
    series = [Series(one.name, *_finite(one)) for one in series]
    xs = [x for one in series for x in one.x]
    if not xs:
        return ""
    x_axis = _Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT, round_out=points)
    many = max(len(one.x) for one in series) > MANY_VALUES
    late = min(xs) + 0.1 * (max(xs) - min(xs)) if many else -math.inf
    ys = [y for one in series for x, y in zip(one.x, one.y, strict=True) if x >= late]
    y_axis = _Axis(min(ys), max(ys), HEIGHT - BOTTOM, TOP)
    drawn = [_curve(one, index, x_axis, y_axis, points, len(series)) for index, one in enumerate(series)]
    names = [one.name for one in series] if 1 < len(series) <= MOST_NAMED else []
    return _svg(title, x_label, y_label, x_axis.across() + y_axis.up(), "".join(drawn), names)


def dots(series: Sequence[Series], *, title: str, x_label: str, y_label: str) -> str:
    """Draw points alone, a colour for each series."""
    series = [Series(one.name, *_finite(one)) for one in series]
    xs, ys = [x for one in series for x in one.x], [y for one in series for y in one.y]
    if not xs:
        return ""
    x_axis, y_axis = _Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT), _Axis(min(ys), max(ys), HEIGHT - BOTTOM, TOP)
    radius = 4.0 if len(xs) <= MANY_VALUES else 1.8
    drawn = [_dots(one, index, x_axis, y_axis, radius) for index, one in enumerate(series)]
    return _svg(title, x_label, y_label, x_axis.across() + y_axis.up(), "".join(drawn), [one.name for one in series])


def bars(values: Sequence[float], names: Sequence[str], *, title: str, x_label: str, y_label: str) -> str:
    """Draw a bar for each value, 0 or more, named below where they are few, and where one points at it."""
    x_axis = _Axis(0.0, len(values), LEFT, WIDTH - RIGHT, round_out=False)
    y_axis = _Axis(0.0, max(*values, 1e-9), HEIGHT - BOTTOM, TOP)
    wide, parts, below = (WIDTH - LEFT - RIGHT) / len(values), [], []
    for index, (value, name) in enumerate(zip(values, names, strict=True)):
        top = y_axis.place(value)
        parts.append(
            f'<rect class="dot" x="{x_axis.place(index) + 0.1 * wide:.1f}" y="{top:.1f}" width="{0.8 * wide:.1f}" '
            f'height="{HEIGHT - BOTTOM - top:.1f}"><title>{html.escape(name)}: {value:.3f}</title></rect>'
        )
        if len(values) <= MANY_VALUES:
            x = x_axis.place(index + 0.5)
            below.append(
                f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{html.escape(name)}</text>'
            )
    return _svg(title, x_label, y_label, y_axis.up() + "".join(below), f'<g class="c0">{"".join(parts)}</g>', [])


def standalone(charts: Sequence[str]) -> str:
    """Stack charts into one SVG file that has its style with it."""
    placed = [f'<g transform="translate(0 {index * HEIGHT})">{chart}</g>' for index, chart in enumerate(charts)]
    size = f'width="{WIDTH}" height="{HEIGHT * len(charts)}" viewBox="0 0 {WIDTH} {HEIGHT * len(charts)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>{"".join(placed)}</svg>\n'


class _Axis:
    """A range of values rounded out to ticks at 1, 2 or 5 times a power of ten, and where they lie in pixels."""

    def __init__(self, low: float, high: float, start: float, end: float, *, round_out: bool = True):
        if high <= low:
            low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
        power = 10.0 ** math.floor(math.log10((high - low) / 4))
        self._step = next(m * power for m in (1, 2, 5, 10) if (high - low) / (m * power) <= 5)
        if round_out:
            low = self._step * math.floor(low / self._step + 1e-9)
            high = self._step * math.ceil(high / self._step - 1e-9)
        self.low, self._high, self._start, self._end = low, high, start, end

    def place(self, value: float) -> float:
        return self._start + (value - self.low) / (self._high - self.low) * (self._end - self._start)

    def _ticks(self) -> list[tuple[float, str]]:
        first, last = math.ceil(self.low / self._step - 1e-9), math.floor(self._high / self._step + 1e-9)
        return [(self.place(n * self._step), _short(n * self._step)) for n in range(first, last + 1)]

    def across(self) -> str:
        """Ticks below the frame."""
        y = HEIGHT - BOTTOM + 15
        return "".join(f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{text}</text>' for x, text in self._ticks())

    def up(self) -> str:
        """Ticks left of the frame, with lines through it."""
        return "".join(
            f'<path class="frame" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
            for y, text in self._ticks()
        )


def _finite(one: Series) -> tuple[list[float], list[float]]:
    pairs = [(x, y) for x, y in zip(one.x, one.y, strict=True) if y is not None and math.isfinite(y)]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _curve(one: Series, index: int, x_axis: _Axis, y_axis: _Axis, points: bool, total: int) -> str:
    path = " ".join(f"{x_axis.place(x):.1f},{y_axis.place(y):.1f}" for x, y in zip(one.x, one.y, strict=True))
    weight = "line" if total <= MOST_NAMED else "line faint"
    curve = f'<polyline class="{weight}" points="{path}"><title>{html.escape(one.name)}</title></polyline>'
    marks = _dots(one, index, x_axis, y_axis, 2.2) if points or len(one.x) == 1 else ""
    return f'<g class="c{index % MOST_NAMED}">{curve}</g>{marks}'


def _dots(one: Series, index: int, x_axis: _Axis, y_axis: _Axis, radius: float) -> str:
    marks = [
        f'<circle class="dot" cx="{x_axis.place(x):.1f}" cy="{y_axis.place(y):.1f}" r="{radius}">'
        f"<title>{html.escape(one.name)}: {x:.6g}, {y:.6g}</title></circle>"
        for x, y in zip(one.x, one.y, strict=True)
    ]
    return f'<g class="c{index % MOST_NAMED}">{"".join(marks)}</g>'


def _svg(title: str, x_label: str, y_label: str, axes: str, drawn: str, names: Sequence[str]) -> str:
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    frame = f'x="{LEFT}" y="{TOP}" width="{wide}" height="{high}"'
    title, x_label, y_label = (html.escape(text) for text in (title, x_label, y_label))
    # A nested <svg> cuts off what leaves the frame; unlike a clip path it needs no name, which two charts could share.
    window = f'<svg {frame} viewBox="{LEFT} {TOP} {wide} {high}">{drawn}</svg>'
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{title}"><text x="{LEFT}" y="15" font-weight="600">{title}</text>{_legend(names)}'
        f'<rect class="frame" {frame}/>{axes}{window}'
        f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 6}" text-anchor="middle">{x_label}</text>'
        f'<text transform="translate(12 {TOP + high / 2}) rotate(-90)" text-anchor="middle">{y_label}</text></svg>'
    )


def _legend(names: Sequence[str]) -> str:
    """Name the series in a line below the title, cut short to fit."""
    if not names:
        return ""
    room = (WIDTH - LEFT - RIGHT) / len(names)
    longest, x, parts = max(2, int((room - 20) / 6)), float(LEFT), []
    for index, name in enumerate(names):
        shown = name if len(name) <= longest else f"{name[: longest - 1]}\u2026"
        parts.append(
            f'<g class="c{index % MOST_NAMED}"><rect class="dot" x="{x:.0f}" y="25" width="10" height="8"/>'
            f'<text x="{x + 14:.0f}" y="33">{html.escape(shown)}</text></g>'
        )
        x += 14 + 6 * len(shown) + 12
    return "".join(parts)


def _short(value: float) -> str:
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if abs(value) >= 1e4 else f"{round(value, 10):g}"
