"""The series as somebody meets it who only opens notebooks and runs them: how long each takes, from opening the page.

python -m tests.browser.by_hand
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from srgan.results.tables import Table
from srgan.runs import notebook_runner
from tests.browser import lab

ORDER = (notebook_runner.UPSCALE, *notebook_runner.SERIES, notebook_runner.STUDY)  # most people want a picture first


def main() -> int:
    found = lab.find_browser()
    if found is None:
        print("There is no Chromium on this machine: apt-get install chromium, then this again.")
        return 1
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root, home = Path(folder) / "project", Path(folder) / "jupyter"
        root.mkdir()
        home.mkdir()
        browser = lab.launch(playwright, found)
        with lab.serve(lab.copy_project(root, {}), home) as server:
            rows = ((name, *(f"{seconds:.0f}" for seconds in timed(server, browser, name))) for name in ORDER)
            print(Table(("notebook", "first picture, s", "done, s"), rows))
        browser.close()
    return 0


def timed(server: lab.Lab, browser, name: str) -> tuple[float, float]:
    """Seconds from opening the page to the first picture in it, and to its end. Raises RuntimeError if a cell failed."""
    begun = time.monotonic()
    notebook = server.open(browser, name)
    notebook.run_all()
    pictures = notebook.page.locator(".jp-OutputArea img, .jp-OutputArea svg, .jp-OutputArea input[type=range]")
    lab.wait_for(lambda: pictures.count() or notebook.errors(), "a picture")
    first = time.monotonic() - begun
    notebook.wait_until_done()
    if errors := notebook.errors():
        raise RuntimeError(f"{name}: {errors[0]}")
    notebook.save()
    notebook.close()
    return first, time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
