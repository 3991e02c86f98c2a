"""An evaluation, as a table for a terminal: a group for each of its sections, units in the heading."""

import textwrap
from collections.abc import Mapping
from typing import Any

HEADINGS = {
    "bound": "Bounds of log p(x), nats per image",
    "metrics": "The objective's own metrics, nats per image",
    "reconstruction": "Reconstructions from the posterior's mean, pixels on [0, 1]",
    "latents": "Latents, nats",
    "aggregate": "KL on the aggregate posterior, nats",
    "generated": "Generated images",
    "disentanglement": "Disentanglement, 0 to 1",
}
UNITS = {"psnr": "dB", "variance_of_means": "(largest first)", "kl_per_dimension": "(largest first)"}
WIDTH, NAME, ITEMS = 120, 44, 16  # columns, columns of names, items shown of a list


def render(evaluation: Mapping[str, Any]) -> str:
    """Return the lines of evaluation.json's sections, in the order of HEADINGS."""
    lines = []
    for section, heading in HEADINGS.items():
        if evaluation.get(section):
            lines += ["", heading, *_rows(evaluation[section], "  ")]
    return "\n".join(lines[1:])


def _rows(section: Mapping[str, Any], indent: str) -> list[str]:
    lines = []
    for name, value in section.items():
        label = " ".join([indent + name.replace("_", " "), *([UNITS[name]] if name in UNITS else [])])
        if isinstance(value, Mapping):
            lines += [label, *_rows(value, indent + "  ")]
        else:
            text = _text(value)
            first, *rest = textwrap.wrap(text, WIDTH - NAME) or [""]
            lines.append(f"{label:<{NAME}}{first}")
            lines += [" " * NAME + line for line in rest]
    return lines


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
