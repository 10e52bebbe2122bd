"""One look for every figure and table of the course, and the words that go with them.

A figure without a caption says nothing to a reader who skims, and nothing at all to one who cannot see it: `show` takes
both, and keeps them in the notebook, where the lint finds them.
"""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
KEY = "roadmap"  # where the words stand in an output's metadata

# Okabe and Ito, "Color Universal Design", 2008, in the order in which neighbours differ most; their yellow is left out,
# because no line of it can be seen on a light background.
BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY, GREY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#5A5A5A",
)
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY, GREY)
SEQUENTIAL = "viridis"  # for quantities from little to much
DIVERGING = "RdBu_r"  # for quantities on both sides of zero: give it symmetric limits

_INK, _PAPER, _LINES = "#262626", "#FCFCFA", "#D9D9D6"


def use() -> None:
    """Give every figure that follows the course's look. Call it once, in the lesson's first code cell."""
    import matplotlib
    from cycler import cycler

    matplotlib.rcdefaults()
    matplotlib.rcParams.update(
        {
            "figure.dpi": DPI,
            "savefig.dpi": DPI,
            "figure.figsize": (6.0, 3.6),
            "figure.constrained_layout.use": True,
            # Opaque: the same picture on a light and on a dark page.
            "figure.facecolor": _PAPER,
            "axes.facecolor": _PAPER,
            "savefig.facecolor": _PAPER,
            "axes.prop_cycle": cycler(color=COLOURS),
            "image.cmap": SEQUENTIAL,
            "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.labelsize": 10,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "legend.fontsize": 9,
            "figure.titlesize": 12,
            "axes.titlelocation": "left",
            "axes.titlepad": 8,
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "axes.titlecolor": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
            "axes.edgecolor": "#8A8A8A",
            "axes.linewidth": 0.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": _LINES,
            "grid.linewidth": 0.6,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "legend.frameon": False,
        }
    )


def show(figure: Figure, *, caption: str, alt: str) -> None:
    """Display a figure with its caption, and close it.

    `caption` is the sentence under the figure: what it shows, and what to see in it. `alt` describes the picture to a
    reader who does not see it: the kind of plot, the axes, the shape. Raises ValueError when either is empty.
    """
    from IPython.display import display
    from matplotlib import pyplot

    caption, alt = _words(caption, "caption"), _words(alt, "alt")
    buffer = io.BytesIO()
    # No tight bounding box: a figure's size in pixels then depends on nothing but `figsize`, on every machine.
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    pyplot.close(figure)
    bundle = {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": f"[figure: {alt}]"}
    display(
        bundle,
        raw=True,
        metadata={"image/png": {"alt": alt}, KEY: {"kind": "figure", "caption": caption, "alt": alt}},
    )
    # Few programs read an image's alt text out of a notebook, so the words also stand where every one shows them.
    said = {"text/html": _caption(caption) + _in_words(alt), "text/plain": caption}
    display(said, raw=True, metadata={KEY: {"kind": "caption"}})


def table(
    rows: Any,
    *,
    caption: str,
    columns: Sequence[str] | None = None,
    digits: int = 3,
) -> None:
    """Display a table with its caption.

    `rows` is a DataFrame (its index is shown where it has a name), a list of mappings, or a list of sequences with
    `columns`. Floats are rounded to `digits` decimals; give strings where a column wants another form.
    """
    from IPython.display import display

    caption = _words(caption, "caption")
    names, body = _rows(rows, columns)
    cells = [[_cell(value, digits) for value in row] for row in body]
    right = [all(_is_number(row[i]) for row in body) for i in range(len(names))]
    display(
        {"text/html": _html(names, cells, right) + _caption(caption), "text/plain": _plain(names, cells)},
        raw=True,
        metadata={KEY: {"kind": "table", "caption": caption}},
    )


def _words(text: str, what: str) -> str:
    words = " ".join(str(text).split())
    if not words:
        raise ValueError(f"The figure has no {what}. Say in {what} what a reader should see.")
    return words


def _caption(caption: str) -> str:
    return f"<p><em>{html.escape(caption, quote=False)}</em></p>"


def _in_words(alt: str) -> str:
    return f"<details><summary>The figure in words</summary>{html.escape(alt, quote=False)}</details>"


def _rows(rows: Any, columns: Sequence[str] | None) -> tuple[list[str], list[list[Any]]]:
    if hasattr(rows, "itertuples"):
        frame = rows.reset_index() if rows.index.name is not None else rows
        return [str(name) for name in frame.columns], [list(row) for row in frame.itertuples(index=False, name=None)]
    items: list[Any] = list(rows)
    if items and all(isinstance(item, Mapping) for item in items):
        names = list(columns or dict.fromkeys(key for item in items for key in item))
        return [str(name) for name in names], [[item.get(name) for name in names] for item in items]
    if columns is None:
        raise ValueError("The table has no column names. Give them in columns, or give rows as mappings.")
    body = [list(item) for item in items]
    for row in body:
        if len(row) != len(columns):
            raise ValueError(f"A row has {len(row)} values for {len(columns)} columns. Give every row one for each.")
    return [str(name) for name in columns], body


def _is_number(value: Any) -> bool:
    return value is None or (hasattr(value, "__float__") and not isinstance(value, str | bool))


def _cell(value: Any, digits: int) -> str:
    if value is None:
        return ""
    if isinstance(value, str | bool | int):
        return (
            f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000 else str(value)
        )
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    if not math.isfinite(number):
        return str(number)
    if hasattr(value, "dtype") and value.dtype.kind in "iub":
        return _cell(value.item(), digits)
    return f"{number:,.{digits}f}"


def aligned_to(side: str) -> str:
    """A table cell's attributes, twice over: code hosts drop styles, and JupyterLab's own style beats `align`."""
    return f'align="{side}" style="text-align: {side}"'


def _html(names: Iterable[str], cells: list[list[str]], right: list[bool]) -> str:
    def row(tag: str, values: Iterable[str]) -> str:
        aligned = (
            f"<{tag} {aligned_to('right' if to_right else 'left')}>{html.escape(value, quote=False)}</{tag}>"
            for value, to_right in zip(values, right, strict=True)
        )
        return f"<tr>{''.join(aligned)}</tr>"

    body = "\n".join(row("td", values) for values in cells)
    return f"<table>\n<thead>{row('th', names)}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _plain(names: list[str], cells: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    lines = [names, ["-" * width for width in widths], *cells]
    return "\n".join("  ".join(v.ljust(w) for v, w in zip(line, widths, strict=True)).rstrip() for line in lines)
