"""An HTML page in one file: its parts as plain values, and `render`, which fills the template with them.

The page makes no request: pictures are data URIs, plotly's script is inside, and the page's security policy tells the
browser to refuse everything else. The markup is in `templates/page.html`, which has one macro for each kind of part.
"""

import base64
import functools
import gzip
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vae_jax.report import embedding, pictures
from vae_jax.report.charts import Chart

LONGEST_LIST = 16  # values of a list that are written out


class Text(NamedTuple):
    """A paragraph."""

    words: str


class Preformatted(NamedTuple):
    """Lines of text in which every space counts."""

    words: str


class Figure(NamedTuple):
    """A picture with its caption."""

    picture: embedding.Embedded
    caption: str


class Strips(NamedTuple):
    """Rows of images with a label before each row. The browser draws the labels, in any script."""

    rows: list[tuple[str, embedding.Embedded]]
    caption: str


class Block(NamedTuple):
    """Names and values of one level of a tree: rows of (name, value as text, whether the value is a number)."""

    heading: str
    rows: list[tuple[str, str, bool]]


class Table(NamedTuple):
    """A tree of values as tables: one block for each mapping in it."""

    blocks: list[Block]


class Matrix(NamedTuple):
    """A table with a heading for each column; rows of (name, values as text)."""

    columns: list[str]
    rows: list[tuple[str, list[str]]]


class Row(NamedTuple):
    """Parts that stand side by side where there is room."""

    parts: Sequence["Part"]


class Group(NamedTuple):
    """Parts under a heading of their own."""

    title: str
    parts: Sequence["Part"]


class Folded(NamedTuple):
    """Parts that are hidden until the reader asks for them."""

    title: str
    parts: Sequence["Part"]


Part = Text | Preformatted | Figure | Strips | Table | Matrix | Row | Group | Folded | Chart


class Section(NamedTuple):
    """A part of the page with a heading in the list of contents."""

    title: str
    parts: Sequence[Part]


def figure(sheet: np.ndarray, caption: str) -> Figure:
    """Return a uint8 picture [H, W, 3] as a figure; the caption says whether the picture was reduced."""
    made = embedding.picture(sheet)
    return Figure(made, _with_note(caption, made.note))


def animated_figure(file: Any, caption: str) -> Figure:
    """Return the GIF at a path as a figure; the caption says whether the animation was reduced."""
    made = embedding.animation(file)
    return Figure(made, _with_note(caption, made.note))


def strips(rows: np.ndarray, labels: Sequence[str], caption: str) -> Strips:
    """Return uint8 images [R, T, H, W, C] as R labelled rows of T images."""
    limit = embedding.MOST_BYTES // len(rows)
    made = [embedding.picture(pictures.grid(row, len(row)), limit) for row in rows]
    notes = {one.note for one in made if one.note}
    return Strips(list(zip(labels, made, strict=True)), _with_note(caption, "; ".join(sorted(notes))))


def table(tree: Any) -> Table:
    """Return any JSON value as tables of names and values."""
    return Table([block for block in _blocks("", tree) if block.rows or block.heading])


def matrix(rows: Mapping[str, Mapping[str, Any]], columns: Sequence[str], label: Callable[[str], str] = str) -> Matrix:
    """Return numbers by row and column as a table, with a gap where a row lacks a number.

    Args:
        rows: {row: {column: value}}.
        columns: the columns in their order.
        label: turns the name of a row or of a column into words.
    """
    cells = [
        (label(row), [format_value(values[name]) if name in values else "" for name in columns])
        for row, values in rows.items()
    ]
    return Matrix([label(name) for name in columns], cells)


def render(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Return the HTML document of the sections."""
    template = _environment().get_template("page.html")
    shown = [section for section in sections if section.parts]
    plotly = _plotly_script() if any(map(_has_chart, shown)) else None
    return template.render(title=title, subtitle=subtitle, sections=shown, plotly=plotly)


def format_value(value: Any) -> str:
    """Return a JSON value in words: six significant digits, and the ends of a long list in place of the list."""
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else "undefined"
    if isinstance(value, list | tuple):
        if len(value) > LONGEST_LIST:
            first, last = _ends(value)
            return f"{len(value)} values, {format_value(first)} to {format_value(last)}"
        return ", ".join(format_value(item) for item in value) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return value if isinstance(value, str) else json.dumps(value)


@functools.cache
def _environment() -> Any:
    """Return the templates' environment, which escapes every value that is put into the markup."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vae_jax.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["kind"] = lambda part: type(part).__name__
    return environment


@functools.cache
def _plotly_script() -> str:
    """Return plotly's script as base64 of its gzip: 2.0 MB in place of 4.8."""
    import plotly.offline

    return base64.b64encode(gzip.compress(plotly.offline.get_plotlyjs().encode(), mtime=0)).decode()


def _has_chart(part: Part | Section) -> bool:
    """Return whether a part is a chart or has one inside."""
    return isinstance(part, Chart) or any(map(_has_chart, getattr(part, "parts", ())))


def _with_note(caption: str, note: str) -> str:
    return f"{caption} ({note})" if note else caption


def _blocks(heading: str, tree: Any) -> Iterator[Block]:
    """Yield the values of a tree, and then those of each tree inside it under its name."""
    if not isinstance(tree, Mapping):
        yield Block(heading, [("", format_value(tree), _is_number(tree))])
        return
    inside = {name: value for name, value in tree.items() if _is_nested(value)}
    leaves = {str(name): value for name, value in tree.items() if name not in inside}
    yield Block(heading, [(name, format_value(value), _is_number(value)) for name, value in leaves.items()])
    for name, value in inside.items():
        for item in [value] if isinstance(value, Mapping) else value:
            yield from _blocks(f"{heading}.{name}" if heading else str(name), item)


def _is_nested(value: Any) -> bool:
    return (isinstance(value, Mapping) and bool(value)) or (
        isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ends(values: Sequence[Any]) -> tuple[Any, Any]:
    """Return the least and the largest of numbers, and the first and the last of other values."""
    if all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        return min(values), max(values)
    return values[0], values[-1]
