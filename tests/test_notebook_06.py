"""Notebook 06 as Run all, with a small network, and what its button does with a photo."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile

import nbformat
import numpy as np
import pytest
import skimage.data
from PIL import Image

import utils
from srgan.data import images
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.presets import preset
from srgan.results import widgets
from srgan.runs import notebook_runner, weights
from srgan.upscale import network
from tests import clips
from tests.exercises import run_answers_too
from tests.results.test_widgets import choose


@pytest.fixture(scope="module")
def own_weights(tmp_path_factory):
    """Weights of a run, by its working directory and their path in it."""
    workdir = tmp_path_factory.mktemp("workdir")
    config = preset("quick", blocks=1, filters=8)
    path = workdir / "model" / "mine" / "srgan.weights.h5"
    path.parent.mkdir(parents=True)
    weights.save(path, networks.generator(config), config, {"stage": "srgan", "step": 1234})
    return workdir, "model/mine/srgan.weights.h5"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "my photo.png"
    Image.fromarray(skimage.data.chelsea()[100:140, 100:160]).save(path)
    return path


def test_run_all_shows_a_photo_before_and_after(own_weights, photo, tmp_path):
    workdir, model = own_weights
    parameters = {"model": model, "workdir": str(workdir), "photo": str(photo)}
    with pytest.MonkeyPatch.context() as patch:
        run_answers_too(patch)
        notebook_runner.execute(notebook_runner.UPSCALE, parameters, tmp_path / "06.ipynb")
    outputs = outputs_of(tmp_path / "06.ipynb")
    printed = "".join(output.get("text", "") for output in outputs)
    assert "srgan.weights.h5: 1,234 steps" in printed and "60x40 to 240x160" in printed
    assert "the first second. All of it would take about" in printed
    assert not any(output.get("name") == "stderr" and "frame" not in output["text"] for output in outputs)
    pages = [output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    slider, _ = (page for page in pages if 'type="range"' in page and "strength" not in page)  # of the photo and of the film
    after, before = (Image.open(io.BytesIO(base64.b64decode(found))) for found in re.findall(r"base64,([\w+/=]+)", slider))
    lr = images.read_image(photo)
    for picture, expected in ((before, network.bicubic(lr)), (after, network.load(workdir / model)(lr))):
        assert picture.size == (240, 160)
        assert np.abs(np.asarray(picture).astype(int) - expected).mean() < 3  # JPEG
    assert images.read_image(workdir / "output" / "upscaled" / "my photo_x4.png").shape == (160, 240, 3)
    assert sum("<video" in page for page in pages) == sum("strength" in page for page in pages) == 1
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    assert any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in outputs)


def outputs_of(path) -> list[dict]:
    notebook = nbformat.read(path, as_version=4)
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.fixture
def use(own_weights, tmp_path, monkeypatch):
    """`use(files, **size)`: what is shown when somebody chooses `files`, and the folder of results."""
    workdir, model = own_weights

    def choose_files(chosen: dict[str, bytes], **size):
        shown = []
        monkeypatch.setattr(widgets, "display", shown.append)
        order, _ = utils.start_upscaling(model, str(workdir), **size)
        choose(widgets.upload_files(order, tmp_path / "out").children[0], chosen)
        return [page.data for page in shown], tmp_path / "out"

    return choose_files


def test_a_photo_from_the_button_is_upscaled_shown_and_can_be_downloaded(use, own_weights, photo, capsys):
    pages, folder = use({photo.name: photo.read_bytes(), "notes.jpg": b"words"})
    result = images.read_image(folder / "my photo_x4.png")
    np.testing.assert_array_equal(result, network.load(own_weights[0] / own_weights[1])(images.read_image(photo)))
    content = base64.b64decode(re.search(r"base64,([\w+/=]+)", pages[-1]).group(1))
    assert content == (folder / "my photo_x4.png").read_bytes() and 'download="my photo_x4.png"' in pages[-1]
    assert "notes.jpg is no image" in capsys.readouterr().out


def test_several_files_can_be_downloaded_as_one_zip(use, photo, tmp_path):
    clip = clips.write(tmp_path / "clip.mp4", stamps=range(3))
    chosen = {"a.png": photo.read_bytes(), "a.webp": photo.read_bytes(), "clip.mp4": clip.read_bytes()}
    pages, folder = use(chosen, scale=2.0)
    content = base64.b64decode(re.search(r"base64,([\w+/=]+)", pages[-1]).group(1))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["a_x2.png", "a_webp_x2.png", "clip_x2.mp4"]  # no name twice
        assert all(archive.read(name) == (folder / name).read_bytes() for name in archive.namelist())
    assert len(pages) == 2 * 3 + 1 and images.read_image(folder / "a_x2.png").shape == (80, 120, 3)


def test_a_size_that_is_none_is_told_before_anything_is_loaded():
    with pytest.raises(SRGANError, match="A scale lies between 1 and 16; 0 does not"):
        utils.start_upscaling(scale=0)
    with pytest.raises(SRGANError, match="A width is a number of pixels"):
        utils.start_upscaling(width=-1)


def test_weights_that_are_not_there_are_told_in_words(tmp_path):
    with pytest.raises(SRGANError, match="There are no weights at"):
        utils.start_upscaling("model/nobody/srgan.weights.h5", str(tmp_path))


def test_the_form_offers_the_weights_that_come_with_the_project_and_the_default_is_there():
    notebook = nbformat.read(notebook_runner.FOLDER / f"{notebook_runner.UPSCALE}.ipynb", as_version=4)
    form = next(cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    offered = json.loads(re.search(r"model = .*@param (\[.*?\])", form).group(1))
    assert 'model = "auto"' in form and offered[0] == "auto" and {"srgan"} <= set(offered[1:]) <= set(weights.shipped())
