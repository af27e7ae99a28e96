from __future__ import annotations

import math

import numpy as np
import pytest
import skimage.data

from srgan.errors import SRGANError
from srgan.results import evaluation, niqe
from srgan.upscale import network


@pytest.fixture
def photos(shared_data, monkeypatch) -> niqe.Photos:
    monkeypatch.setenv("SRGAN_NIQE", str(shared_data / "weights" / "niqe_pris_params.npz"))
    return niqe.load()


def test_set14_scores_what_another_implementation_gave(photos, shared_data):
    """4.85 for HR and 7.70 for bicubic, with MATLAB's halving instead of Pillow's: they differ at the borders."""
    pairs = list(evaluation.benchmark(shared_data / "benchmarks" / "Set14"))
    assert np.mean([niqe.niqe(hr, photos) for _, _, hr in pairs]) == pytest.approx(4.85, abs=0.02)
    assert np.mean([niqe.niqe(network.bicubic(lr), photos) for _, lr, _ in pairs]) == pytest.approx(7.70, abs=0.02)


def test_a_pattern_and_noise_are_worse_than_the_photo(photos):
    photo = skimage.data.astronaut()
    hatched = photo.astype(int) + 12 * ((np.add.outer(np.arange(512), np.arange(512)) % 3) == 0)[..., None]
    noisy = photo + np.random.default_rng(0).normal(0, 25, photo.shape)
    best = niqe.niqe(photo, photos)
    for worse in (hatched, noisy):
        assert niqe.niqe(np.clip(worse, 0, 255).astype(np.uint8), photos) > best + 0.5


def test_what_is_too_small_has_no_number(photos):
    assert math.isnan(niqe.niqe(np.zeros((96, 191, 3), np.uint8), photos))
    assert math.isnan(niqe.niqe(np.zeros((192, 192, 3), np.uint8), photos))  # flat: no distribution


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0])
def test_the_fit_finds_the_distribution_that_values_were_drawn_from(shape):
    """Generalised Gaussians of density exp(-(|x| / b)^shape) with b 3 on the left and 2 on the right."""
    rng = np.random.default_rng(0)
    size = rng.gamma(1 / shape, 1, 200_000) ** (1 / shape)
    left = rng.random(size.size) < 3 / 5  # as much as its share of the area
    found = niqe._asymmetric(np.where(left, -3 * size, 2 * size))
    assert found == pytest.approx((shape, 3, 2), rel=0.05)


def test_without_statistics_the_error_says_where_they_are_looked_for(monkeypatch, tmp_path):
    monkeypatch.delenv("SRGAN_NIQE", raising=False)
    with pytest.raises(SRGANError, match="SRGAN_NIQE=FILE"):
        niqe.load()
    monkeypatch.setenv("SRGAN_NIQE", str(tmp_path / "missing.npz"))
    with pytest.raises(SRGANError, match=r"missing\.npz does not hold the statistics"):
        niqe.load()
