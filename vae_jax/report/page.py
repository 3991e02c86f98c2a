"""One HTML page, whole in itself: pictures as data URIs, charts as SVG, no request to anywhere."""

import base64
import html
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from vae_jax.report import charts

LONGEST_LIST = 16  # values of a list that are written out

STYLE = """
:root{color-scheme:light dark;--back:#fff;--text:#222;--soft:#667;--rule:#ddd;--card:#fafafa}
@media (prefers-color-scheme:dark){:root{--back:#15171a;--text:#ddd;--soft:#99a;--rule:#333840;--card:#1c1f23}}
*{box-sizing:border-box} body{margin:0 auto;max-width:1020px;padding:24px 20px 60px;background:var(--back);
color:var(--text);font:15px/1.5 system-ui,sans-serif} h1{font-size:24px;margin:0 0 4px}
h2{font-size:18px;margin:36px 0 10px;padding-top:12px;border-top:1px solid var(--rule)}
h3{font-size:14px;margin:14px 0 4px} p{margin:6px 0} .soft,figcaption{color:var(--soft);font-size:13px}
.row{display:flex;flex-wrap:wrap;align-items:flex-start;gap:16px} .row figure{flex:1 1 300px;max-width:520px}
.part{flex:1 1 420px;min-width:0;max-width:520px} .part:has(.matrix){flex-basis:100%;max-width:none}
figure{margin:8px 0;max-width:100%} figure img{max-width:100%;height:auto;display:block}
figcaption{margin-top:4px} .chart{max-width:100%;height:auto;background:var(--card);border-radius:6px}
.wide{overflow-x:auto} table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
td,th{padding:2px 14px 2px 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
th,.number{white-space:nowrap} .number{text-align:right} td{overflow-wrap:anywhere}
pre{font-size:12px;overflow-x:auto} details{margin:8px 0} summary{cursor:pointer}
"""


def page(title: str, subtitle: str, sections: Sequence[str]) -> str:
    """Return a document of sections."""
    title = html.escape(title)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
    head += f"<title>{title}</title>"
    body = f'<h1>{title}</h1><p class="soft">{html.escape(subtitle)}</p>{"".join(sections)}'
    style = f"<style>{STYLE}{charts.STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}{style}</head>\n<body>{body}</body></html>\n'


def section(title: str, *parts: str) -> str:
    """Return a section of its parts; none of an empty one."""
    inside = "\n".join(part for part in parts if part)
    return f"<section><h2>{html.escape(title)}</h2>\n{inside}</section>\n" if inside else ""


def row(*parts: str) -> str:
    """Put parts beside each other where there is room."""
    return f'<div class="row">{"".join(parts)}</div>' if any(parts) else ""


def text(words: str) -> str:
    return f'<p class="soft">{html.escape(words)}</p>'


def folded(title: str, inside: str) -> str:
    """Hide a part until it is asked for."""
    return f"<details><summary>{html.escape(title)}</summary>{inside}</details>"


def preformatted(words: str) -> str:
    return f"<pre>{html.escape(words)}</pre>"


def picture(sheet: np.ndarray, caption: str) -> str:
    """Return a picture [H, W, 3], uint8, as a figure."""
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG", optimize=True)
    return image(buffer.getvalue(), "png", caption)


def image(data: bytes, kind: str, caption: str) -> str:
    """Return the bytes of an image file of a kind, png or gif, as a figure."""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    caption = html.escape(caption)
    return f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'


def table(tree: Any) -> str:
    """Return any JSON value as a table of names and values, its sections as tables of their own."""
    if not isinstance(tree, Mapping):
        return f"<p>{_value(tree)}</p>"
    leaves = {name: value for name, value in tree.items() if not _nested(value)}
    rows = "".join(
        f"<tr><th>{html.escape(str(name))}</th><td{_number_class(value)}>{_value(value)}</td></tr>"
        for name, value in leaves.items()
    )
    own = f'<div class="wide"><table>{rows}</table></div>' if rows else ""
    nested = [(name, value) for name, value in tree.items() if _nested(value)]
    return own + "".join(f"<h3>{html.escape(str(name))}</h3>{_inside(value)}" for name, value in nested)


def matrix(rows: Mapping[str, Mapping[str, float]], columns: Sequence[str], label: Callable[[str], str] = str) -> str:
    """Return numbers by row and column as a table, a gap where a row lacks one."""
    head = "".join(f'<th class="number">{html.escape(label(name))}</th>' for name in columns)
    body = "".join(
        f"<tr><th>{html.escape(label(row))}</th>"
        + "".join(f'<td class="number">{_value(values[name]) if name in values else ""}</td>' for name in columns)
        + "</tr>"
        for row, values in rows.items()
    )
    return f'<div class="wide matrix"><table><tr><th></th>{head}</tr>{body}</table></div>'


def part(title: str, *inside: str) -> str:
    """Return a part of a row, under a heading of its own."""
    return f'<div class="part"><h3>{html.escape(title)}</h3>{"".join(inside)}</div>'


def _inside(value: Any) -> str:
    if isinstance(value, Mapping):
        return table(value)
    return "".join(table(item) for item in value)


def _nested(value: Any) -> bool:
    return (isinstance(value, Mapping) and bool(value)) or (
        isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value)
    )


def _number_class(value: Any) -> str:
    return ' class="number"' if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _ends(values: Sequence[Any]) -> tuple[Any, Any]:
    """The least and the largest of numbers, the first and the last of anything else."""
    if all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        return min(values), max(values)
    return values[0], values[-1]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else "undefined"
    if isinstance(value, list | tuple):
        if len(value) > LONGEST_LIST:
            first, last = _ends(value)
            return f"{len(value)} values, {_value(first)} to {_value(last)}"
        return ", ".join(_value(item) for item in value) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return html.escape(value if isinstance(value, str) else json.dumps(value))
