"""JupyterLab on a copy of the project, and a notebook in it as a person sees and handles it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
from playwright.sync_api import Browser, Locator, Page, Playwright

from srgan.runs import notebook_runner
from srgan.runs.paths import PROJECT

PATIENCE = 600.0  # seconds: the machine may be busy
SCREENSHOTS = PROJECT / "output" / "browser"
SETTINGS = {  # all cells in the page, whether they are in view or not; nothing pops up
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}


def find_browser() -> str | None:
    """The system's Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


def launch(started: Playwright, executable: str) -> Browser:
    """The browser that `find_browser` found, without a window."""
    return started.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])


def copy_project(folder: Path, parameters: dict) -> Path:
    """The project, whose notebooks have `parameters`, if any, in a cell of their own; runs write into the copy."""
    for name in ("srgan", "notebooks"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    for name in ("utils.py", "pyproject.toml"):
        shutil.copy(PROJECT / name, folder / name)
    (folder / "docs").mkdir()
    shutil.copy(PROJECT / "docs" / "study.json", folder / "docs")  # a study that was run, for notebook 07
    (folder / "model").mkdir()
    for path in (PROJECT / "model").glob("*.*"):  # the weights that come with the project, and their cards
        shutil.copy(path, folder / "model")
    for name in notebook_runner.SERIES if parameters else ():
        path = folder / "notebooks" / f"{name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        notebook_runner.inject(notebook, parameters)
        nbformat.write(notebook, path)
    return folder


@contextlib.contextmanager
def serve(root: Path, home: Path, theme: str = "JupyterLab Light") -> Iterator[Lab]:
    """JupyterLab for `root`, with empty settings of its own under `home`."""
    settings = SETTINGS | {"@jupyterlab/apputils-extension/themes": {"theme": theme}}
    for name, content in settings.items():
        path = home / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "SRGAN_HEADLESS"}
    environment |= {"JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTER_CONFIG_DIR": str(home / "config"),
                    "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"), "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
                    "JUPYTER_DATA_DIR": str(home / "data"), "IPYTHONDIR": str(home / "ipython")}  # fmt: skip
    options = ("--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
               "--IdentityProvider.token=", f"--ServerApp.root_dir={root}")  # fmt: skip
    with open(home / "server.log", "w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=root)
        try:
            lab = Lab(process, f"http://127.0.0.1:{port}", root)
            wait_for(lab.answers, f"JupyterLab ({home / 'server.log'})")
            yield lab
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


class Lab:
    """A running server."""

    def __init__(self, process: subprocess.Popen, address: str, root: Path):
        self._process, self.address, self._root = process, address, root

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/api/status", timeout=5):
                return True
        except OSError:
            return False

    def kill_kernels(self) -> int:
        """SIGKILL to every kernel, as when memory runs out; returns how many there were."""
        listed = subprocess.run(["ps", "--ppid", str(self._process.pid), "-o", "pid=,args="], capture_output=True, text=True).stdout
        kernels = [int(line.split()[0]) for line in listed.splitlines() if "ipykernel" in line]
        for number in kernels:
            os.kill(number, signal.SIGKILL)
        return len(kernels)

    def open(self, browser: Browser, name: str, width: int = 1100, height: int = 1700) -> Notebook:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(f"{self.address}/doc/tree/notebooks/{name}.ipynb")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        wait_for(lambda: _kernel_is_ready(page), "the kernel")
        return Notebook(page, self._root / "notebooks" / f"{name}.ipynb")


def _kernel_is_ready(page: Page) -> bool:
    """Whether the status bar says so. Where a slow server makes JupyterLab ask for the kernel, the one offered is taken."""
    accept = page.locator(".jp-Dialog .jp-mod-accept")
    if accept.count():
        accept.first.click()
    return page.locator("#jp-main-statusbar").get_by_text("| Idle").count() > 0


class Notebook:
    """An open notebook."""

    def __init__(self, page: Page, path: Path):
        self.page, self._path, self.name = page, path, path.stem

    def cell(self, words: str) -> Locator:
        """The one code cell whose source holds `words`, in view. (The page has the text only of what is in view.)"""
        cells = nbformat.read(self._path, as_version=4).cells
        (index,) = (i for i, cell in enumerate(cells) if cell.cell_type == "code" and words in cell.source)
        found = self.page.locator(".jp-Notebook-cell").nth(index)
        found.scroll_into_view_if_needed()
        return found

    def run_all(self) -> None:
        self._menu("Run", "Run All Cells")

    def interrupt(self) -> None:
        self._menu("Kernel", "Interrupt Kernel")

    def save(self) -> None:
        self.page.locator(".jp-Notebook").press("Control+s")
        time.sleep(2)

    def _menu(self, menu: str, item: str) -> None:
        self.page.locator(".lm-MenuBar-item", has_text=menu).first.click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()

    def wait_until_done(self) -> None:
        """Until no cell runs or waits, twice in a row."""

        def done() -> bool:
            prompts = self.page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
            ran = all(any(digit in prompt for digit in "123456789") for prompt in prompts) or self.errors()
            return bool(ran) and not any("*" in prompt for prompt in prompts)

        time.sleep(1)
        wait_for(lambda: done() and not time.sleep(1) and done(), f"{self.name} to end")

    def errors(self) -> list[str]:
        """What is shown as an error or on standard error."""
        kinds = ("application/vnd.jupyter.error", "application/vnd.jupyter.stderr")
        return [text for kind in kinds for text in self.page.locator(f'[data-mime-type="{kind}"]').all_inner_texts()]

    def printed(self) -> list[str]:
        """What each cell printed."""
        cells = self.page.locator(".jp-CodeCell").all()
        return ["\n".join(cell.locator('[data-mime-type="application/vnd.jupyter.stdout"]').all_inner_texts()) for cell in cells]

    def broken_pictures(self) -> list[str]:
        """The beginnings of the addresses of pictures in outputs that the browser could not show."""
        script = """all => all.map(image => { image.loading = 'eager'; return image })
            .filter(image => !(image.complete && image.naturalWidth > 0)).map(image => image.outerHTML.slice(0, 200))"""
        return self.page.locator(".jp-OutputArea img").evaluate_all(script)

    def screenshot(self, name: str, of: Locator | None = None) -> Path:
        """The page, or one of its parts, under output/browser/."""
        path = SCREENSHOTS / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if of is not None:
            of.scroll_into_view_if_needed()
        (of or self.page).screenshot(path=path)
        return path

    def close(self) -> None:
        self.page.close()


def wait_for(condition: Callable[[], object], what: str):
    """What `condition` returns as soon as that is true. Raises TimeoutError after PATIENCE."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {PATIENCE:.0f} s for {what}")
        time.sleep(0.3)
    return found
