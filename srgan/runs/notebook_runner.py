"""Run the notebooks from the shell, cell by cell, as "Run all" does in Jupyter."""

from __future__ import annotations

import asyncio
import os
import signal
import time
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

    The copy is written even if a cell fails. Raises SRGANError with the failing cell's last line, or if there is no such notebook.
    """
    path = FOLDER / f"{name}.ipynb"
    if not path.is_file():
        raise SRGANError(f"There is no {path}: the notebooks come with a checkout of the project, so give the command there.")
    notebook = nbformat.read(path, as_version=4)
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
