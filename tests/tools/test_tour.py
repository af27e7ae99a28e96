"""The tour: pages made of executed notebooks, and that the committed ones have the notebooks' text."""

from __future__ import annotations

import base64
import io
import re

import nbformat
import pytest
from PIL import Image

from srgan.runs import notebook_runner
from tools import tour


def test_a_page_has_text_code_output_and_pictures_in_order():
    png = io.BytesIO()
    Image.new("RGB", (1200, 30), "red").save(png, "PNG")
    picture = nbformat.v4.new_output(
        "display_data", {"image/png": base64.b64encode(png.getvalue()).decode()}, metadata={"image/png": {"alt": "a red bar"}}
    )
    printed = nbformat.v4.new_output("stream", text="in /tmp/abc/data/samples\n")
    cells = [
        nbformat.v4.new_markdown_cell(
            "# T\n\n[![Open in Colab](a)](b)\n\n[n](02_x.ipynb) [p](../docs/presets.md) [c](../srgan/config.py)"
        ),
        nbformat.v4.new_code_cell("import utils", metadata={"tags": ["setup"]}),
        nbformat.v4.new_code_cell("f()", outputs=[printed, picture]),
    ]
    page, pictures = tour.convert(nbformat.v4.new_notebook(cells=cells), "01_x")
    assert page == (
        "# T\n\n\n[n](02_x.md) [p](../presets.md) [c](../../srgan/config.py)\n\n"
        "```python\nf()\n```\n\n```\nin .../data/samples\n```\n\n![a red bar](01_00.webp)\n"
    )
    with Image.open(io.BytesIO(pictures["01_00.webp"])) as shown:
        assert (shown.format, shown.size) == ("WEBP", (1000, 25))


@pytest.mark.parametrize("name", notebook_runner.ALL)
def test_the_committed_page_has_the_notebooks_text_and_its_pictures(name):
    page = (tour.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    notebook = nbformat.read(notebook_runner.FOLDER / f"{name}.ipynb", as_version=4)
    at = 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            at = page.index(tour.text(cell.source), at)
    for file in re.findall(r"\]\((\d\d_\d\d\.webp)\)", page):
        assert (tour.FOLDER / file).is_file()


def test_the_tour_is_small():
    assert sum(path.stat().st_size for path in tour.FOLDER.iterdir()) < 6e6
