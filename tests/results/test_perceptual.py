from __future__ import annotations

import numpy as np
import pytest
import skimage.data

from srgan.errors import SRGANError
from srgan.results import evaluation, frechet, perceptual
from srgan.upscale import network

PHOTO = skimage.data.astronaut()[:192, 100:308]


def test_the_grid_is_the_spread_of_the_means_of_places():
    gray = np.full((64, 96, 3), 100, np.uint8)
    assert perceptual.grid(gray) == 0
    gray[:, ::4] += 10  # every fourth column, so 4 of 16 places stand out by 10 levels of 0 to 255
    assert perceptual.grid(gray) == pytest.approx(10 * 219 / 255 * 2 * 0.25 * 0.75, rel=1e-3)
    odd = np.full((64, 96, 3), 100, np.uint8)
    odd[:, ::3] += 10  # another period averages out over a window
    assert perceptual.grid(odd) < perceptual.grid(gray) / 4


def test_tiles_lie_side_by_side_from_the_top_left():
    found = list(perceptual.tiles(PHOTO))
    assert len(found) == 2 * 2
    np.testing.assert_array_equal(found[1], PHOTO[:96, 96:192])


def test_every_method_is_measured_beside_hr(monkeypatch):
    for variable in ("SRGAN_NIQE", "SRGAN_LPIPS_ALEX", "SRGAN_MOBILENET"):
        monkeypatch.delenv(variable, raising=False)
    images = [("a", PHOTO[::4, ::4], PHOTO), ("b", PHOTO[::4, ::4], PHOTO[::-1])]
    measures = perceptual.Measures()
    found = measures.of_set(images, {"nearest": network.nearest})
    assert found.keys() == {"nearest", "HR"}
    assert found["nearest"].keys() == {"psnr_y", "grid", "detail"}  # the others need files
    scores = [evaluation.metrics.psnr_y(hr, network.nearest(lr)) for _, lr, hr in images]
    assert found["nearest"]["psnr_y"] == pytest.approx(np.mean(scores))
    assert (found["HR"]["psnr_y"], found["HR"]["detail"]) == (np.inf, 1.0)
    lines = perceptual.table({"Two": found}).markdown().splitlines()
    assert lines[0] == "| set | method | PSNR-Y, dB | grid | detail |"
    assert lines[3].startswith("| Two | HR | ∞ |")


def test_with_all_files_the_numbers_are_those_of_the_parts(shared_data, monkeypatch):
    weights = shared_data / "weights"
    monkeypatch.setenv("SRGAN_NIQE", str(weights / "niqe_pris_params.npz"))
    monkeypatch.setenv("SRGAN_LPIPS_ALEX", str(weights / "stlpips_alex.npz"))
    monkeypatch.setenv("SRGAN_MOBILENET", str(weights / "mobilenet_v1_0.75_224.npz"))
    measures, small = perceptual.Measures(), network.bicubic(PHOTO[::4, ::4])
    found = measures.of_set([("a", PHOTO[::4, ::4], PHOTO)], {"bicubic": network.bicubic})
    assert found["HR"]["lpips"] == 0 and found["HR"]["frechet"] == pytest.approx(0, abs=1e-6)
    gaussians = [frechet.gaussian(perceptual.tiles(image), measures.extract) for image in (PHOTO, small)]
    assert found["bicubic"]["frechet"] == pytest.approx(frechet.distance(*gaussians), rel=1e-4)
    assert 0 < found["bicubic"]["lpips"] < 1
    assert found["HR"]["niqe"] < found["bicubic"]["niqe"]


def test_a_set_that_is_not_there_is_told():
    with pytest.raises(SRGANError, match="There is no benchmark Set99 here"):
        perceptual.measure(["bicubic"], ["Set99"], {})
