from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from srgan.data import images
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.runs import weights
from tools import details


def test_there_are_twenty_places_on_the_grid_of_lr():
    assert len({place.what for place in details.PLACES}) == 20
    assert all(place.top % 4 == place.left % 4 == 0 for place in details.PLACES)


def test_the_sheet_shows_each_place_as_each_method_has_it(tiny, tmp_path, monkeypatch):
    path = tmp_path / "run" / "srgan.weights.h5"
    path.parent.mkdir()
    weights.save(path, networks.generator(tiny), tiny, {"before": []})
    hr = np.random.default_rng(0).integers(0, 256, (96, 112, 3), np.uint8)
    for side, image in (("HR", hr), ("LR_x4", hr[::4, ::4])):
        (tmp_path / "Set14" / side).mkdir(parents=True)
        Image.fromarray(image).save(tmp_path / "Set14" / side / "img_001.png")
    places = (details.Place("noise", "Set14", "img_001.png", 8, 16), details.Place("cat", "samples", "chelsea.png", 72, 116))
    monkeypatch.setattr(details, "PLACES", 2 * (*places, details.Place("corner", "Set14", "img_001.png", 16, 32)))
    sheet = details.make({"Set14": tmp_path / "Set14"}, tmp_path / "sheet.jpg", ("bicubic", str(path)))
    assert sheet.stat().st_size < details.MOST
    shown = images.read_image(sheet)
    gap, head, side = 6, 22, 160
    width = 3 * (side + gap) + gap  # bicubic, the file, HR
    assert shown.shape == (3 * (head + side + gap), 2 * width, 3)  # two columns
    last = shown[head : head + side, gap + 2 * (side + gap) :][:, :side].astype(int)
    expected = hr[8:88, 16:96].repeat(2, axis=0).repeat(2, axis=1)
    assert np.abs(last - expected).mean() < 12  # JPEG of noise

    details.make({}, tmp_path / "one.jpg", ("bicubic",), ("cat",))
    details.make({}, tmp_path / "noisy.jpg", ("bicubic",), ("cat",), "noise15")
    clean, noisy = (images.read_image(tmp_path / name)[head : head + side, gap:][:, :side] for name in ("one.jpg", "noisy.jpg"))
    assert 3 < np.abs(clean.astype(int) - noisy).mean() < 30
    with pytest.raises(SRGANError, match='There is no degradation "rain"'):
        details.make({}, tmp_path / "none.jpg", degradation="rain")
    assert images.read_image(tmp_path / "one.jpg").shape == (2 * (head + side + gap), 2 * (side + gap) + gap, 3)
    with pytest.raises(SRGANError, match="There is no place dog"):
        details.make({}, tmp_path / "none.jpg", places=("dog",))
    with pytest.raises(SRGANError, match="The sheet needs Set14: python -m srgan fetch Set14"):
        details.make({}, tmp_path / "none.jpg")
