"""The one table: what it is as Markdown and as HTML."""

from __future__ import annotations

from html.parser import HTMLParser

from srgan.results import tables
from srgan.results.tables import Bold, Table

EVIL = "<script>|</script>"


class Cells(HTMLParser):
    """The text of each cell that a browser would show, row by row, and the bold ones among them."""

    def __init__(self, page: str):
        super().__init__()
        self.rows, self.bold, self.tags = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        self.rows[-1][-1] += data
        if self.tags[-1] == "b":
            self.bold.append(data)


def test_a_table_as_markdown_and_as_html_has_the_same_cells():
    table = Table(("name", "dB"), [("a", Bold("1.00")), (EVIL, 2)])
    assert table.markdown().splitlines() == [
        "| name | dB |",
        "|---|---|",
        "| a | **1.00** |",
        "| &lt;script>\\|&lt;/script> | 2 |",
    ]
    shown = Cells(table.html())
    assert shown.rows == [["name", "dB"], ["a", "1.00"], [EVIL, "2"]]
    assert shown.bold == ["1.00"] and "script" not in shown.tags
    assert str(table) == repr(table) == table._repr_markdown_() == table.markdown()


def test_a_note_stands_below_and_numbers_on_the_right():
    table = Table(("", "s", "MB"), [("ours", 1, 2)], note="Measured <here>.", numeric=True)
    assert table.markdown().splitlines() == ["|  | s | MB |", "|---|---:|---:|", "| ours | 1 | 2 |", "", "Measured <here>."]
    assert table.html().endswith('<p class="soft">Measured &lt;here&gt;.</p>')


def test_a_table_of_dictionaries_has_their_keys_as_head():
    assert Table.of([{"a": 1, "b": 2}, {"a": 3, "b": 4}]).markdown().splitlines()[0::2] == ["| a | b |", "| 1 | 2 |"]


def test_the_losses_of_a_stage():
    rows = [{"step": 10.0, "loss": 0.5, "learning_rate": 1e-4}, {"step": 3000.0, "loss": 0.25, "learning_rate": 1e-5}]
    assert tables.of_losses(rows).markdown().splitlines() == [
        "| loss to step 3,000 (rows: 2) | mean | standard deviation | minimum |",
        "|---|---|---|---|",
        "| loss | 0.375 | 0.125 | 0.25 |",
    ]
    assert tables.of_losses([]).note == "No losses were recorded."
