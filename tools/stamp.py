"""Write the repository's address into README and notebooks, so that a fork changes it in one place: pyproject.toml."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from srgan.runs.notebook_runner import ALL, FOLDER
from srgan.runs.paths import PROJECT, write_atomically


def stamp() -> list[Path]:
    """Renew the set-up cells and the Colab badges, and strip the notebooks' outputs. Returns the changed files."""
    changed = [path for name in ALL if _replace(path := FOLDER / f"{name}.ipynb", stamped(name, _read(path)))]
    readme = PROJECT / "README.md"
    text = re.sub(r"git\+https://[^\s`]+", f"git+{repository()}", _with_badges(_read(readme)))  # how to install it
    return changed + [readme] * _replace(readme, text)


def stamped(name: str, text: str) -> str:
    """The JSON text of the notebook `name` with this repository's set-up cell and badges, and without outputs."""
    notebook = json.loads(text)
    for i, cell in enumerate(notebook["cells"]):
        cell["id"] = f"{name[:2]}-{i:02d}"
        if cell["cell_type"] == "markdown":
            cell["source"] = _with_badges("".join(cell["source"])).splitlines(keepends=True)
            continue
        cell["outputs"], cell["execution_count"] = [], None
        if "setup" in cell["metadata"].get("tags", []):
            cell["source"] = setup_cell().splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def repository() -> str:
    """The repository's address: [project.urls] in pyproject.toml."""
    return tomllib.loads(_read(PROJECT / "pyproject.toml"))["project"]["urls"]["Repository"].rstrip("/")


def setup_cell() -> str:
    """The set-up cell, which is the same in every notebook."""
    return _read(FOLDER / "setup_cell.py").rstrip().replace("@REPOSITORY@", repository())


def badge(name: str) -> str:
    """The Markdown of the badge that opens the notebook `name` in Colab."""
    github = repository().removeprefix("https://github.com/")
    return (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{github}/blob/main/notebooks/{name}.ipynb)"
    )


def _with_badges(text: str) -> str:
    """`text` with every badge, one a line at most, renewed."""
    return "\n".join(_with_badge(line) for line in text.split("\n"))


def _with_badge(line: str) -> str:
    for name in ALL:
        start, end = line.find("[![Open in Colab]"), line.rfind(f"/{name}.ipynb)")
        if 0 <= start < end:
            return line[:start] + badge(name) + line[end + len(f"/{name}.ipynb)") :]
    return line


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _replace(path: Path, text: str) -> bool:
    """Write `text` to `path`; returns whether that changed anything."""
    if _read(path) == text:
        return False
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return True
