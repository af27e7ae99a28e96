"""A table of results: built once, shown as Markdown (notebooks, README, terminal) or as HTML (the report)."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from srgan.runs import history


class Bold(str):
    """A cell that stands out, such as the best of its column."""


class Table:
    """A head, rows of as many cells, and an optional sentence below. A notebook and `print` show it as Markdown."""

    def __init__(self, head: Sequence[str], rows: Iterable[Sequence[object]] = (), note: str = "", numeric: bool = False):
        """`numeric`: all columns but the first are aligned on the right."""
        self.head, self.rows, self.note, self.numeric = tuple(head), [tuple(row) for row in rows], note, numeric

    @classmethod
    def of(cls, rows: Sequence[dict[str, object]]) -> Table:
        """One row for each dictionary; all have the same keys, which are the head."""
        return cls(rows[0] if rows else (), (row.values() for row in rows))

    def markdown(self) -> str:
        rule = ("---", *("---:" if self.numeric else "---" for _ in self.head[1:]))
        lines = [_markdown_row(self.head), f"|{'|'.join(rule)}|", *(_markdown_row(row) for row in self.rows)]
        return "\n".join([*lines, "", self.note] if self.note else lines)

    def html(self) -> str:
        """All text escaped."""
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in self.head)
        body = "".join(f"<tr>{''.join(map(_html_cell, row))}</tr>" for row in self.rows)
        note = f'<p class="soft">{html.escape(self.note)}</p>' if self.note else ""
        return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>{note}'

    def __str__(self) -> str:
        return self.markdown()

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return self.markdown()


def bold_if(condition: bool, cell: str) -> str:
    return Bold(cell) if condition else cell


def of_losses(rows: list[dict[str, float]]) -> Table:
    """Mean, standard deviation and minimum of every loss in the history `rows` of one stage."""
    if not rows:
        return Table(("loss", "mean", "standard deviation", "minimum"), note="No losses were recorded.")
    head = (f"loss to step {rows[-1]['step']:,.0f} (rows: {len(rows)})", "mean", "standard deviation", "minimum")
    numbers = head[1:]
    return Table(head, ((entry["loss"], *(f"{entry[key]:.4g}" for key in numbers)) for entry in history.summary(rows)))


def _markdown_row(cells: Sequence[object]) -> str:
    # Names of files are strangers' words, and notebooks show Markdown's HTML.
    texts = (" ".join(str(cell).replace("|", "\\|").replace("<", "&lt;").split()) for cell in cells)
    shown = (f"**{text}**" if isinstance(cell, Bold) else text for cell, text in zip(cells, texts, strict=True))
    return f"| {' | '.join(shown)} |"


def _html_cell(cell: object) -> str:
    text = html.escape(str(cell))
    return f"<td><b>{text}</b></td>" if isinstance(cell, Bold) else f"<td>{text}</td>"
