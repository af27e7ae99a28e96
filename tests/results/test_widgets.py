"""What a notebook shows of before and after; the browser's side of it is checked in tests/browser."""

from __future__ import annotations

import base64
import datetime
import io
import re

import ipywidgets
import numpy as np
import pytest
from PIL import Image

from srgan.config import settings
from srgan.models import networks
from srgan.results import widgets
from srgan.runs import weights
from srgan.upscale import network, strength


def pictures(page: str) -> list[np.ndarray]:
    found = re.findall(r"data:image/jpeg;base64,([\w+/=]+)", page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(content)))) for content in found]


def test_a_slider_holds_both_pictures_the_after_one_below():
    before, after = np.full((30, 40, 3), 50, np.uint8), np.full((30, 40, 3), 200, np.uint8)
    page = widgets.slider(before, after, ("bicubic", "<SRGAN>")).data
    below, above = pictures(page)
    assert below.shape == above.shape == (30, 40, 3)
    assert abs(int(below.mean()) - 200) < 2 and abs(int(above.mean()) - 50) < 2
    assert "&lt;SRGAN&gt;" in page and "<SRGAN>" not in page
    assert page.count("<div") == page.count("</div>")


def test_a_wide_picture_is_shrunk_and_pictures_of_two_sizes_are_refused():
    wide = np.zeros((300, 2400, 3), np.uint8)
    assert [picture.shape for picture in pictures(widgets.slider(wide, wide, ("a", "b")).data)] == [(150, 1200, 3)] * 2
    with pytest.raises(ValueError, match="of one size"):
        widgets.slider(wide, wide[:100], ("a", "b"))


def test_a_download_link_is_the_file_itself(tmp_path, monkeypatch):
    path = tmp_path / 'a "b" & c.png'
    path.write_bytes(b"\x89PNG and so on")
    link = widgets.download_link(path).data
    assert base64.b64decode(re.search(r"data:image/png;base64,([\w+/=]+)", link).group(1)) == path.read_bytes()
    assert 'download="a &quot;b&quot; &amp; c.png"' in link
    monkeypatch.setattr(widgets, "MOST_INLINE", 3)
    told = widgets.download_link(path).data
    assert "base64" not in told and str(tmp_path) in told


def choose(button: ipywidgets.FileUpload, files: dict[str, bytes]) -> None:
    """What happens when somebody chooses `files`, in either version of the widgets."""
    if ipywidgets.__version__.startswith("7."):
        button.set_trait("value", {name: {"metadata": {}, "content": content} for name, content in files.items()})
    else:
        about = {"type": "image/png", "size": 1, "last_modified": datetime.datetime(2026, 1, 1)}
        button.value = tuple(about | {"name": name, "content": memoryview(content)} for name, content in files.items())


def test_uploaded_files_reach_the_notebook_by_name_in_both_versions_of_the_widgets():
    got = []
    box = widgets.upload("image/*", got.extend)
    assert box.children[0].multiple
    choose(box.children[0], {"a.png": b"1", "b.png": b"2"})
    assert got == [("a.png", b"1"), ("b.png", b"2")]
    assert widgets._files({"c.png": {"content": memoryview(b"3")}}) == [("c.png", b"3")]
    assert widgets._files(({"name": "c.png", "content": memoryview(b"3")},)) == [("c.png", b"3")]


# A dial, and files that are dropped ----------------------------------------------------------------------------------


def test_a_dial_holds_what_the_mixtures_of_two_weights_make(tmp_path):
    small = settings(blocks=1, filters=4, generator_norm=False, upsampling="espcn", global_skip=True)
    training = {"stage": "srresnet", "step": 7, "seconds": 1.5, "commit": "abc", "before": []}
    ends = []
    for seed, name in enumerate(("soft", "sharp")):
        generator, rng = networks.generator(small), np.random.default_rng(seed)
        generator.set_weights([rng.normal(0, 0.1, weight.shape) for weight in generator.get_weights()])
        ends.append(tmp_path / f"{name}.weights.h5")
        weights.save(ends[-1], generator, small, training)
    lr = np.random.default_rng(0).integers(0, 256, (12, 18, 3), np.uint8)
    page = widgets.dial(lr, *ends, steps=4).data
    shown = pictures(page)
    assert len(shown) == page.count("<img") == 5 and page.count("visibility:visible") == 1 and 'max="4" value="4"' in page
    assert ">soft\n" in page and ">sharp <output>" in page
    for picture, share in zip(shown, (0, 0.25, 0.5, 0.75, 1), strict=True):
        expected = network.network(strength.mixed(*ends, share))(lr)
        assert np.abs(picture.astype(int) - expected).mean() < 6 < np.abs(shown[0].astype(int) - shown[-1]).mean()  # JPEG


def test_the_place_for_dropped_files_stands_with_the_button_in_one_box():
    """How they come through it is checked in a browser."""
    box = widgets.upload("image/*", print)
    assert isinstance(box, ipywidgets.VBox) and isinstance(box.children[0], ipywidgets.FileUpload)
    assert "ondrop=" in box.children[1].value and box.children[0].multiple
