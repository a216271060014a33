"""Cells fitted to a screen: columns aligned, the last one cut to what is left. Pure; `output` prints them.

Loads what knows the width of wide characters, so it is imported only when there is a screen.
"""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

GAP = "  "
NARROWEST = 12
"""What the last column keeps however narrow the screen is: long lines are better than ids cut short."""


def fitted(rows: Sequence[Sequence[str]], screen: int) -> list[list[str]]:
    """The cells padded to aligned columns, the last cut to a screen of so many columns; `GAP` goes between them."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    left = screen - sum(widths[:-1]) - len(GAP) * (len(widths) - 1)
    return [[*map(set_cell_size, row[:-1], widths), _cut(row[-1], max(left, NARROWEST))] for row in rows]


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"
