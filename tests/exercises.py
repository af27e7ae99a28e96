"""The answers to the notebooks' exercises, which stand folded away in their text: run at the end of the notebook they belong to."""

from __future__ import annotations

import re

import nbformat
import pytest

from srgan.runs import notebook_runner

_ANSWER = re.compile(r"<details><summary>Answer</summary>\s*```python\n(.*?)```\s*</details>", re.DOTALL)


def answers(notebook: nbformat.NotebookNode) -> list[str]:
    """The code of each answer, in order."""
    return [code for cell in notebook.cells if cell.cell_type == "markdown" for code in _ANSWER.findall(cell.source)]


def run_answers_too(patch: pytest.MonkeyPatch) -> None:
    """From now on `notebook_runner.execute` runs the answers behind the last cell."""
    inject = notebook_runner.inject

    def with_answers(notebook: nbformat.NotebookNode, parameters: dict) -> None:
        inject(notebook, parameters)
        notebook.cells += [nbformat.v4.new_code_cell(code) for code in answers(notebook)]

    patch.setattr(notebook_runner, "inject", with_answers)
