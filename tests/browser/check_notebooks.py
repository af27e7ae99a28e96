"""The notebooks as a person meets them: JupyterLab in a real browser, Run All, look. `make test-browser` runs this.

One page a stage, in order, on one small run; screenshots of each lie under output/browser/ afterwards.
"""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make test-browser does that")

from srgan import __main__
from srgan.config import STAGES
from srgan.data import images, sources
from srgan.runs import history, notebook_runner
from srgan.runs.paths import Paths
from tests.browser import lab

# Long enough to be stopped by hand on a fast machine, before it ends; what comes after the kill may find it finished.
CHANGES = {"pretrain_steps": 3000, "gan_steps": 1500, "hr_size": 48, "discriminator_filters": 4, "log_every": 5,
           "sample_every": 50, "save_minutes": 0.05}  # fmt: skip
FORM = ('preset = "quick"', 'dataset = ""', 'workdir = ""', "use_drive = True", "changes = {}")
FORM_OF_UPSCALE = ('model = "auto"', 'photo = ""', "scale = 4.0", 'video = ""', 'workdir = ""', "use_drive = False")
TRAINING = {"02_pretrain_srresnet": "srresnet", "03_train_srgan": "srgan"}


@pytest.fixture(scope="module")
def browser():
    found = lab.find_browser()
    if found is None:
        pytest.skip("There is no Chromium on this machine: apt-get install chromium, then make test-browser again.")
    with playwright.sync_playwright() as started:
        opened = lab.launch(started, found)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return lab.copy_project(tmp_path_factory.mktemp("project"), {"changes": CHANGES, "more_steps": 50})


@pytest.fixture(scope="module")
def server(project, tmp_path_factory):
    with lab.serve(project, tmp_path_factory.mktemp("jupyter")) as started:
        yield started


def step_of(panel) -> int:
    """The step that the panel shows; 0 before there is one."""
    found = re.search(r"step ([\d,]+) of", panel.first.inner_text()) if panel.count() else None
    return int(found.group(1).replace(",", "")) if found else 0


def check_what_is_seen(notebook: lab.Notebook) -> None:
    """Of a notebook that ran to its end."""
    assert notebook.errors() == []
    assert max(len(text.splitlines()) for text in notebook.printed()) < 60
    assert notebook.page.locator(".jp-OutputArea img").count() > 0 and notebook.broken_pictures() == []


def check_training_cell(cell, running: bool = False) -> None:
    """One panel with one bar, one figure (a drawing while it runs, then a picture) and one strip."""
    assert cell.locator(".srgan-panel").count() == cell.locator("[role=progressbar]").count() == 1
    assert cell.locator(".srgan-curves").count() == (1 if running else 0)
    assert cell.locator(".jp-OutputArea-output img").count() in ((0, 1) if running else (1, 2))


@pytest.mark.parametrize("name", (*notebook_runner.SERIES, notebook_runner.UPSCALE))
def test_the_form_has_its_defaults(server, browser, name):
    first, *others = FORM_OF_UPSCALE if name == notebook_runner.UPSCALE else FORM
    notebook = server.open(browser, name)
    shown = notebook.cell(first.split('"')[0].strip()).locator(".jp-InputArea-editor").inner_text().replace("\u00a0", " ")
    for default in (first, *others):
        assert default in shown
    notebook.close()


def test_01_runs_to_its_end(server, browser):
    notebook = server.open(browser, "01_preprocess")
    notebook.run_all()
    notebook.wait_until_done()
    check_what_is_seen(notebook)
    assert "run the next cells to begin with SRResNet" in "".join(notebook.printed())
    notebook.screenshot("01_photos", notebook.cell("utils.show_photos"))
    notebook.close()


@pytest.mark.parametrize("name", TRAINING)
def test_training_redraws_in_place_and_goes_on_after_a_stop_and_after_a_dead_kernel(server, browser, project, name):
    stage = TRAINING[name]
    total_steps = CHANGES["pretrain_steps" if stage == "srresnet" else "gan_steps"]
    notebook = server.open(browser, name)
    notebook.run_all()
    cell = notebook.cell(f'paths, "{stage}", utils.Dashboard(paths))')
    panel, figure = cell.locator(".srgan-panel"), cell.locator(".srgan-curves")

    # It redraws in place.
    lab.wait_for(lambda: figure.count() and step_of(panel) >= 10, "the first figure")
    before, first = figure.inner_html(), step_of(panel)
    lab.wait_for(lambda: figure.inner_html() != before and step_of(panel) > first, "a redrawn figure")
    check_training_cell(cell, running=True)
    notebook.screenshot(f"{name}_running", cell)

    # The stop button: it saves and says so.
    notebook.interrupt()
    notebook.wait_until_done()
    stopped = int(re.search(r"Stopped at step (\d+) of", "".join(notebook.errors())).group(1))
    assert stopped < total_steps
    notebook.screenshot(f"{name}_stopped", cell)

    # Again; then the kernel is killed.
    notebook.run_all()
    lab.wait_for(lambda: f"Going on from {stage}-{stopped:08d}.npz" in cell.inner_text(), "going on")
    lab.wait_for(lambda: step_of(panel) > stopped + 15 or "done" in panel.inner_text(), "more steps")
    notebook.save()
    assert server.kill_kernels() >= 1
    notebook.close()

    # Opened again, what was saved is still shown, a drawing of the training or what it left at its end; run again, it ends.
    notebook = server.open(browser, name)
    cell = notebook.cell(f'paths, "{stage}", utils.Dashboard(paths))')
    assert cell.locator(".srgan-panel").count() == 1
    assert cell.locator(".srgan-curves").count() == 1 or cell.locator(".jp-OutputArea-output img").count() >= 1
    notebook.run_all()
    lab.wait_for(lambda: "Going on from" in cell.inner_text() or "nothing to do" in cell.inner_text(), "going on")
    notebook.wait_until_done()
    check_what_is_seen(notebook)
    check_training_cell(cell)
    assert f"{STAGES[stage]}" in cell.inner_text() and "done" in cell.locator(".srgan-panel").inner_text()
    steps = [row["step"] for row in history.read(Paths(project, "quick").history(stage))]
    assert steps == list(range(5, total_steps + 1, 5))  # no gap, nothing double
    notebook.screenshot(f"{name}_done", cell)
    notebook.screenshot(f"{name}_result", notebook.cell("utils.show_training"))
    notebook.save()
    notebook.close()


@pytest.mark.parametrize("name", ["04_continue_training", "05_evaluate"])
def test_the_later_notebooks_run_to_their_end(server, browser, name):
    notebook = server.open(browser, name)
    notebook.run_all()
    notebook.wait_until_done()
    check_what_is_seen(notebook)
    if name.startswith("04"):
        check_training_cell(notebook.cell('paths, "srgan", utils.Dashboard(paths))'))
    notebook.screenshot(name, notebook.cell("utils.Dashboard" if name.startswith("04") else "evaluation.evaluate("))
    notebook.close()


@pytest.fixture
def photo(tmp_path):
    """A part of the sample photo, of a size that takes a second."""
    Image.fromarray(images.read_image(sources.sample_photo())[100:160, 200:280]).save(tmp_path / "my photo.png")
    return tmp_path / "my photo.png"


def test_06_upscales_a_chosen_photo_that_can_be_compared_and_downloaded(server, browser, photo):
    notebook = server.open(browser, notebook_runner.UPSCALE)
    notebook.run_all()
    notebook.wait_until_done()
    check_what_is_seen(notebook)
    notebook.screenshot("06_slider", notebook.cell("widgets.slider"))
    notebook.screenshot("06_detail", notebook.cell("most_detailed"))

    # The dial draws SR anew.
    turned, seen = notebook.cell("widgets.dial").locator("figure"), []
    for step in ("8", "0"):
        turned.locator("input[type=range]").fill(step)
        seen.append(np.asarray(Image.open(io.BytesIO(turned.locator("div").first.screenshot())).convert("RGB")).astype(int))
    assert np.abs(seen[0] - seen[1]).mean() > 1 and turned.locator("output").inner_text() == "0.000"
    notebook.screenshot("06_dial", notebook.cell("widgets.dial"))

    # A photo through the button.
    cell = notebook.cell("widgets.upload_files")
    with notebook.page.expect_file_chooser() as asked:
        cell.locator(".widget-upload, .jupyter-button").first.click()
    asked.value.set_files(photo)
    handle = cell.locator("input[type=range]")
    handle.wait_for(state="attached")

    # The picture under the line changes when it is dragged: first bicubic up to the middle, then nearly everywhere.
    slider = handle.locator("xpath=..")
    slider.scroll_into_view_if_needed()
    box, seen = slider.bounding_box(), []
    for fraction in (0.5, 0.95):
        notebook.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        notebook.page.mouse.down()
        notebook.page.mouse.move(box["x"] + box["width"] * fraction, box["y"] + box["height"] / 2, steps=5)
        notebook.page.mouse.up()
        seen.append(np.asarray(Image.open(io.BytesIO(slider.screenshot())).convert("RGB")).astype(int))
    changed = np.abs(seen[0] - seen[1]).mean(axis=(0, 2))  # by column
    width = len(changed)
    assert changed[: int(0.45 * width)].max() < 1  # left of both lines: bicubic both times
    assert changed[int(0.55 * width) : int(0.85 * width)].mean() > 2
    notebook.screenshot("06_own", cell)

    # Two that are dropped come in, too, and out as one ZIP.
    dropped = """(zone, content) => {
        const files = new DataTransfer(), bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
        for (const name of ["a.png", "b.png"]) files.items.add(new File([bytes], name, {type: "image/png"}));
        zone.dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true}));
    }"""
    cell.locator("[ondrop]").evaluate(dropped, base64.b64encode(photo.read_bytes()).decode())
    lab.wait_for(lambda: cell.locator("a[download='upscaled.zip']").count(), "the ZIP")
    assert cell.locator("a[download]").count() == 3
    notebook.screenshot("06_dropped", cell)

    # The download is what the shell makes.
    cell.locator("[ondrop]").evaluate(dropped.replace('"a.png", "b.png"', '"my photo.png"'),
                                      base64.b64encode(photo.read_bytes()).decode())  # fmt: skip
    lab.wait_for(lambda: cell.locator("a[download]").count() == 1, "one link")
    with notebook.page.expect_download() as begun:
        cell.locator("a[download]").click()
    assert begun.value.suggested_filename == "my photo_x4.png"
    assert __main__.main(["upscale", str(photo)]) == 0
    assert Path(begun.value.path()).read_bytes() == photo.with_name("my photo_x4.png").read_bytes()
    notebook.close()


def test_a_narrow_dark_page_can_be_read_even_where_the_notebook_is_not_trusted(browser, project, tmp_path):
    """Another server, which did not run the notebook itself."""
    with lab.serve(project, tmp_path, theme="JupyterLab Dark") as dark:
        notebook = dark.open(browser, "02_pretrain_srresnet", width=560)
        cell = notebook.cell('paths, "srresnet", utils.Dashboard(paths))')
        assert cell.locator(".srgan-panel").count() == 1 and cell.locator(".jp-OutputArea-output img").count() == 2
        assert notebook.broken_pictures() == []
        widths = cell.locator(".srgan-panel, img").evaluate_all("all => all.map(one => one.getBoundingClientRect().width)")
        assert 200 < min(widths) <= max(widths) <= 560
        colour = "element => getComputedStyle(element).color"
        assert sum(map(int, re.findall(r"\d+", cell.locator(".srgan-panel").evaluate(colour))[:3])) > 3 * 128  # light on dark
        notebook.screenshot("02_narrow_dark", cell)
        notebook.close()
