"""The notebooks as files: run them in order as Run all would, and keep their set-up cells and badges the same."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import tomllib
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbclient.util import ensure_async

from srgan.errors import SRGANError
from srgan.runs.paths import PROJECT, write_atomically

FOLDER = PROJECT / "notebooks"
SERIES = ("01_preprocess", "02_pretrain_srresnet", "03_train_srgan", "04_continue_training", "05_evaluate")
UPSCALE, STUDY = "06_upscale", "07_study"
ALL = (*SERIES, UPSCALE, STUDY)


def execute(name: str, parameters: dict, executed: Path) -> None:
    """Run the notebook `name` with `parameters` set, its printed output on this terminal; keep the executed copy.

    The copy is written even if a cell fails. Raises SRGANError with the failing cell's last line.
    """
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    inject(notebook, parameters)
    client = _EchoingClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    client.on_cell_start = client.interrupt_on_ctrl_c
    try:
        client.execute(env=os.environ | {"SRGAN_HEADLESS": "1"})
    except CellExecutionError as error:
        raise SRGANError(f"Notebook {name} stopped: {error.ename}: {error.evalue}\nIts output is in {executed}.") from error
    finally:
        text = nbformat.writes(notebook)
        write_atomically(executed, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def inject(notebook: nbformat.NotebookNode, parameters: dict) -> None:
    """Put a cell that sets `parameters` behind the one tagged "parameters", as papermill does."""
    at = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["injected-parameters"]})
    notebook.cells.insert(at + 1, cell)


class _EchoingClient(NotebookClient):
    """Passes on what the cells print, as they print it, and Ctrl-C, so that training saves before it stops."""

    def interrupt_on_ctrl_c(self, **_) -> None:
        def interrupt() -> None:
            self._interrupting = asyncio.ensure_future(ensure_async(self.km.interrupt_kernel()))

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, interrupt)

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "stream":
            print(msg["content"]["text"], end="", flush=True)
        return super().process_message(msg, cell, cell_index)


def run(parameters: dict, output: Path) -> None:
    """All notebooks in order; executed copies go to `output`/notebooks. Raises SRGANError at the first that fails."""
    for name in SERIES:
        begun = time.monotonic()
        print(f"== {name}", flush=True)
        execute(name, parameters, output / "notebooks" / f"{name}.ipynb")
        print(f"   {time.monotonic() - begun:.0f} s", flush=True)


def repository() -> str:
    """The repository's address, from its one place: [project.urls] in pyproject.toml."""
    return tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"].rstrip("/")


def setup_cell() -> str:
    """The set-up cell of every notebook."""
    return (FOLDER / "setup_cell.py").read_text(encoding="utf-8").rstrip().replace("@REPOSITORY@", repository())


def badge(name: str) -> str:
    """The Markdown of the badge that opens the notebook `name` in Colab."""
    github = repository().removeprefix("https://github.com/")
    return (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{github}/blob/main/notebooks/{name}.ipynb)"
    )


def stamp() -> list[Path]:
    """Write the repository's address into set-up cells, badges and README; strip outputs. Returns the changed files."""
    changed = []
    for name in ALL:
        path = FOLDER / f"{name}.ipynb"
        text = stamped(name, path.read_text(encoding="utf-8"))
        changed += _replace(path, text)
    readme = PROJECT / "README.md"
    text = "\n".join(_stamp_badge(line) for line in readme.read_text(encoding="utf-8").split("\n"))
    return changed + _replace(readme, text)


def stamped(name: str, text: str) -> str:
    """The notebook's JSON text with this repository's set-up cell and badge, and without outputs."""
    notebook = json.loads(text)
    for i, cell in enumerate(notebook["cells"]):
        cell["id"] = f"{name[:2]}-{i:02d}"
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
            if "setup" in cell["metadata"].get("tags", []):
                cell["source"] = _lines(setup_cell())
        else:
            cell["source"] = _lines("\n".join(_stamp_badge(line) for line in "".join(cell["source"]).split("\n")))
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _stamp_badge(line: str) -> str:
    for name in ALL:
        start, end = line.find("[![Open in Colab]"), line.rfind(f"/{name}.ipynb)")
        if 0 <= start < end:
            return line[:start] + badge(name) + line[end + len(f"/{name}.ipynb)") :]
    return line


def _lines(source: str) -> list[str]:
    return source.splitlines(keepends=True)


def _replace(path: Path, text: str) -> list[Path]:
    if path.read_text(encoding="utf-8") == text:
        return []
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return [path]
