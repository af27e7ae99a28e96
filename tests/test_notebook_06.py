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
    notebook = nbformat.read(tmp_path / "06.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    printed = "".join(output.get("text", "") for output in outputs)
    assert "srgan.weights.h5: 1,234 steps" in printed and "60x40 -> 240x160 pixels" in printed
    assert not any(output.get("name") == "stderr" for output in outputs)
    pages = [output["data"]["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    (slider,) = (page for page in pages if 'type="range"' in page)
    after, before = (Image.open(io.BytesIO(base64.b64decode(found))) for found in re.findall(r"base64,([\w+/=]+)", slider))
    lr = images.read_image(photo)
    for picture, upscaler in ((before, network.bicubic), (after, network.load(workdir / model))):
        assert picture.size == (240, 160)
        assert np.abs(np.asarray(picture).astype(int) - upscaler(lr)).mean() < 3  # JPEG
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert any("application/vnd.jupyter.widget-view+json" in output.get("data", {}) for output in outputs)


def test_a_photo_from_the_button_is_upscaled_shown_and_can_be_downloaded(own_weights, photo, tmp_path, monkeypatch, capsys):
    workdir, model = own_weights
    shown = []
    monkeypatch.setattr(widgets, "display", shown.append)
    upscaler, folder = utils.start_upscaling(model, str(workdir))
    box = widgets.upload_photos(upscaler, folder)
    choose(box.children[0], {photo.name: photo.read_bytes(), "notes.jpg": b"words"})
    result = images.read_image(folder / "my photo_x4.png")
    np.testing.assert_array_equal(result, upscaler(images.read_image(photo)))
    link = shown[-1].data
    content = base64.b64decode(re.search(r"base64,([\w+/=]+)", link).group(1))
    assert content == (folder / "my photo_x4.png").read_bytes() and 'download="my photo_x4.png"' in link
    assert "notes.jpg is no image" in capsys.readouterr().out


def test_several_photos_can_be_downloaded_as_one_zip(own_weights, photo, tmp_path, monkeypatch):
    workdir, model = own_weights
    shown = []
    monkeypatch.setattr(widgets, "display", shown.append)
    box = widgets.upload_photos(utils.start_upscaling(model, str(workdir))[0], tmp_path / "out")
    choose(box.children[0], {"a.png": photo.read_bytes(), "b.png": photo.read_bytes()})
    content = base64.b64decode(re.search(r"base64,([\w+/=]+)", shown[-1].data).group(1))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["a_x4.png", "b_x4.png"]
        assert archive.read("a_x4.png") == (tmp_path / "out" / "a_x4.png").read_bytes()


def test_weights_that_are_not_there_are_told_in_words(tmp_path):
    with pytest.raises(SRGANError, match="There are no weights at"):
        utils.start_upscaling("model/nobody/srgan.weights.h5", str(tmp_path))


def test_the_form_offers_the_weights_that_come_with_the_project_and_the_default_is_there():
    notebook = nbformat.read(notebook_runner.FOLDER / f"{notebook_runner.UPSCALE}.ipynb", as_version=4)
    offered = json.loads(re.search(r"model = .*@param (\[.*?\])", notebook.cells[3].source).group(1))
    assert offered == list(weights.SHIPPED)
    assert re.search(r'model = "(\w+)"', notebook.cells[3].source).group(1) == offered[0]
