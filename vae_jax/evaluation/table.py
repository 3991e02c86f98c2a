"""An evaluation as a table of text: one group for each section, with the units in its heading.

`render` is for a terminal; the report lays out the same parts in HTML.
"""

import textwrap
from collections.abc import Mapping
from typing import Any, NamedTuple

HEADINGS = {
    "bound": "Bounds of log p(x), nats per image",
    "metrics": "The objective's own metrics, nats per image",
    "reconstruction": "Reconstructions from the posterior's mode, pixels on [0, 1]",
    "latents": "Latents, nats",
    "aggregate": "KL on the aggregate posterior, nats",
    "generated": "Generated images",
    "disentanglement": "Disentanglement, 0 to 1",
}
UNITS = {"psnr": "(dB)"}
SORTED = ("variance_of_means", "kl_per_dimension")  # lists shown largest first, and called that
WIDTH, NAME, COLUMN, ITEMS = 120, 44, 8, 16  # columns, those of names and of a number, items shown of a list


def render(evaluation: Mapping[str, Any]) -> str:
    """Return the text of an evaluation's sections, in the order of HEADINGS."""
    lines = []
    for section, heading in HEADINGS.items():
        if evaluation.get(section):
            lines += ["", heading, *_rows(evaluation[section], "  ")]
    return "\n".join(lines[1:])


class Parts(NamedTuple):
    """A section taken apart.

    Attributes:
        values: the section's own values.
        sections: sections inside it.
        rows: sections inside it that hold only numbers, where there are several: rows of one table.
    """

    values: dict[str, Any]
    sections: dict[str, Mapping[str, Any]]
    rows: dict[str, Mapping[str, float]]


def parts(section: Mapping[str, Any]) -> Parts:
    """Return the parts of a section that are shown in different ways."""
    inside = {name: value for name, value in section.items() if isinstance(value, Mapping)}
    rows = {name: value for name, value in inside.items() if all(isinstance(v, int | float) for v in value.values())}
    rows = rows if len(rows) > 1 else {}
    values = {name: value for name, value in section.items() if name not in inside}
    return Parts(values, {name: value for name, value in inside.items() if name not in rows}, rows)


def label(name: str) -> str:
    """Return the name of a value in words, with its unit."""
    return " ".join([name.replace("_", " "), *([UNITS[name]] if name in UNITS else [])])


def columns(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the names of all values in the rows, in order of appearance."""
    return list(dict.fromkeys(name for row in rows.values() for name in row))


def _rows(section: Mapping[str, Any], indent: str) -> list[str]:
    taken, lines = parts(section), []
    for name, value in taken.values.items():
        first, *rest = textwrap.wrap(_text(value), WIDTH - NAME) or [""]
        words = f"{label(name)} (largest first)" if name in SORTED else label(name)
        lines.append(f"{indent + words:<{NAME}}{first}")
        lines += [" " * NAME + line for line in rest]
    for name, inside in taken.sections.items():
        lines += [indent + label(name), *_rows(inside, indent + "  ")]
    if taken.rows:
        names = columns(taken.rows)
        widths = [max(len(label(name)), COLUMN) + 2 for name in names]
        lines.append(" " * NAME + "".join(f"{label(name):<{w}}" for name, w in zip(names, widths, strict=True)))
        for row, values in taken.rows.items():
            cells = [_text(values[name]) if name in values else "-" for name in names]
            line = "".join(f"{cell:<{w}}" for cell, w in zip(cells, widths, strict=True))
            lines.append(f"{indent + label(row):<{NAME}}{line}")
    return [line.rstrip() for line in lines]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4f}" if abs(value) >= 0.01 or value == 0.0 else f"{value:.3g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        if all(isinstance(item, int) for item in value):
            return ", ".join(map(str, value))
        shown = ", ".join(f"{item:.2f}" for item in sorted(value, reverse=True)[:ITEMS])
        return shown if len(value) <= ITEMS else f"{shown}, and {len(value) - ITEMS} more"
    return str(value)
