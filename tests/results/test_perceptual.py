from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import skimage.data

from srgan.results import perceptual

PHOTO = skimage.data.astronaut()[:192, 100:308]


def test_the_grid_is_the_spread_of_the_means_of_places():
    gray = np.full((64, 96, 3), 100, np.uint8)
    assert perceptual.grid(gray) == 0
    gray[:, ::4] += 10  # every fourth column, so 4 of 16 places stand out by 10 levels of 0 to 255
    assert perceptual.grid(gray) == pytest.approx(10 * 219 / 255 * 2 * 0.25 * 0.75, rel=1e-3)
    odd = np.full((64, 96, 3), 100, np.uint8)
    odd[:, ::3] += 10  # another period averages out over a window
    assert perceptual.grid(odd) < perceptual.grid(gray) / 4
    assert np.isnan(perceptual.grid(gray[:31]))


def test_tiles_lie_side_by_side_from_the_top_left():
    found = list(perceptual.tiles(PHOTO))
    assert len(found) == 2 * 2
    np.testing.assert_array_equal(found[1], PHOTO[:96, 96:192])


def test_st_lpips_keeps_the_features_of_one_hr_and_no_more(shared_data, monkeypatch):
    monkeypatch.setenv("SRGAN_LPIPS_ALEX", str(shared_data / "weights" / "stlpips_alex.npz"))
    distance = perceptual.open_st_lpips()
    a, b, noisy = PHOTO[:96], PHOTO[96:], PHOTO[:96] ^ 15
    first = distance(a, noisy)
    assert first > 0.01 and distance(a, a) == 0 and distance(b, b) == 0 and distance(a, noisy) == first
    assert distance(b, noisy) > first


def stand_in(monkeypatch, network) -> None:
    """The packages lpips and torch, as far as they are used."""
    torch = types.ModuleType("torch")
    torch.from_numpy, torch.no_grad = np.asarray, lambda: np.errstate()
    package = types.ModuleType("lpips")
    package.LPIPS = network
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "lpips", package)
    monkeypatch.setattr(perceptual.importlib.util, "find_spec", lambda name: package)


def test_the_package_lpips_is_asked_where_it_is_installed(monkeypatch):
    def network(net, verbose):
        assert net == "alex"
        return lambda hr, sr: np.abs(hr - sr).max() * (hr.shape == (1, 3, 192, 208))

    stand_in(monkeypatch, network)
    assert perceptual.open_lpips()(PHOTO, 255 - PHOTO) == pytest.approx(2, abs=0.01)  # in [-1, 1]


def test_a_package_lpips_without_its_network_is_left_out_in_words(monkeypatch):
    def network(net, verbose):
        raise OSError("no connection")

    stand_in(monkeypatch, network)
    with pytest.warns(UserWarning, match="LPIPS is left out: .*no connection"):
        assert perceptual.open_lpips() is None
