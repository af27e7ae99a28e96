"""The Fréchet distance against scipy and closed forms, and the words that its number comes with."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import skimage.data
from PIL import Image

from srgan.errors import SRGANError
from srgan.results import frechet, frechet_features
from srgan.results.frechet import Gaussian

RNG = np.random.default_rng(0)


def random_gaussian(dimensions: int, rank: int | None = None) -> Gaussian:
    return Gaussian(RNG.normal(size=dimensions), RNG.normal(size=(rank or dimensions, dimensions)), 1000)


def diagonal(mean, variances, turn=None) -> Gaussian:
    turn = np.eye(len(variances)) if turn is None else turn
    return Gaussian(turn @ np.asarray(mean, float), np.diag(np.sqrt(variances)) @ turn.T, 1000)


def by_scipy(a: Gaussian, b: Gaussian) -> float:
    covariances = [gaussian.root.T @ gaussian.root for gaussian in (a, b)]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    return np.sum((a.mean - b.mean) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * np.real(root))


# The formula --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [1, 2, 7, 64])
def test_distance_is_scipys_for_random_gaussians(dimensions):
    a, b = random_gaussian(dimensions), random_gaussian(dimensions)
    assert frechet.distance(a, b) == pytest.approx(by_scipy(a, b), rel=1e-9)
    assert frechet.distance(b, a) == pytest.approx(frechet.distance(a, b), rel=1e-9)


@pytest.mark.parametrize("count", [20, 64, 400])  # fewer images than features, as many, more
def test_distance_of_features_is_scipys_of_their_means_and_covariances(count):
    features = [RNG.normal(size=(count, 64)) @ RNG.normal(size=(64, 64)) + RNG.normal(size=64) for _ in "ab"]
    (mean_a, a), (mean_b, b) = ((f.mean(axis=0), np.cov(f, rowvar=False)) for f in features)
    offset = 1e-9 * np.eye(64)  # sqrtm wants its argument regular
    root = scipy.linalg.sqrtm((a + offset) @ (b + offset))
    expected = np.sum((mean_a - mean_b) ** 2) + np.trace(a + b - 2 * np.real(root))
    assert frechet.distance(*map(frechet.fit, features)) == pytest.approx(expected, rel=1e-5)


def test_equal_gaussians_are_at_zero_and_never_below():
    for a in (random_gaussian(30), random_gaussian(30, rank=4), diagonal([1, 2], [0, 0])):
        assert 0 <= frechet.distance(a, a) < 1e-9


def test_a_shift_alone_costs_its_square():
    a = random_gaussian(5, rank=3)
    shifted = a._replace(mean=a.mean + np.array([3, 0, -4, 0, 0]))
    assert frechet.distance(a, shifted) == pytest.approx(25)


def test_along_one_axis_it_is_means_and_standard_deviations():
    assert frechet.distance(diagonal([1], [9]), diagonal([3], [25])) == pytest.approx((1 - 3) ** 2 + (3 - 5) ** 2)


def test_with_common_axes_the_standard_deviations_are_compared_axis_by_axis():
    turn = np.linalg.qr(RNG.normal(size=(4, 4)))[0]
    a, b = [4, 1, 9, 0], [1, 25, 9, 16]
    expected = np.sum((np.sqrt(a) - np.sqrt(b)) ** 2)
    assert frechet.distance(diagonal([0] * 4, a), diagonal([0] * 4, b)) == pytest.approx(expected)
    assert frechet.distance(diagonal([0] * 4, a, turn), diagonal([0] * 4, b, turn)) == pytest.approx(expected)


def test_variances_of_very_different_size_keep_the_small_difference():
    turn = np.linalg.qr(RNG.normal(size=(6, 6)))[0]
    a, b = np.array([1e6, 1e3, 1, 1e-3, 1e-6, 0]), np.array([1e6, 1.1e3, 2, 1e-3, 0, 1e-6])
    expected = np.sum((np.sqrt(a) - np.sqrt(b)) ** 2)
    assert frechet.distance(diagonal([0] * 6, a, turn), diagonal([0] * 6, b, turn)) == pytest.approx(expected, abs=1e-7)


def test_lines_in_space_have_a_closed_form_though_their_covariances_are_singular():
    u, v = RNG.normal(size=(2, 50))
    a, b = (Gaussian(np.zeros(50), w[None], 1000) for w in (u, v))
    assert frechet.distance(a, b) == pytest.approx(u @ u + v @ v - 2 * abs(u @ v), rel=1e-9)


def test_fewer_images_than_features_have_a_closed_form_too():
    features = RNG.normal(size=(9, 100))  # as with 500 images and 2048 features: the covariance is singular
    a, b = frechet.fit(features), frechet.fit(3 * features)
    expected = np.sum((2 * a.mean) ** 2) + (1 - 3) ** 2 * np.trace(np.cov(features, rowvar=False))
    assert frechet.distance(a, b) == pytest.approx(expected, rel=1e-6)
    apart = frechet.fit(np.hstack([features, 0 * features])), frechet.fit(np.hstack([0 * features, features]))
    everything = 2 * np.sum(a.mean**2) + 2 * np.trace(np.cov(features, rowvar=False))
    assert frechet.distance(*apart) == pytest.approx(everything, rel=1e-6)


@pytest.mark.parametrize("count", [4, 6, 40])
def test_fit_is_numpys_mean_and_covariance_in_double_precision(count):
    features = (1000 + RNG.normal(size=(count, 6))).astype(np.float32)  # far from 0: single precision would lose the variance
    fitted = frechet.fit(features)
    np.testing.assert_allclose(fitted.mean, features.astype(float).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fitted.root.T @ fitted.root, np.cov(features.astype(float), rowvar=False), rtol=1e-9, atol=1e-12)
    assert fitted.images == count


# Pictures -----------------------------------------------------------------------------------------------------------


def mean_colour(pictures: np.ndarray) -> np.ndarray:
    return pictures.mean(axis=(1, 2))


def test_pictures_of_several_sizes_are_all_counted_and_each_has_its_features():
    sizes = [(4, 6)] * 40 + [(5, 5)] * 2 + [(4, 6)]
    pictures = [RNG.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    seen = []

    def extract(batch):
        seen.append(batch.shape)
        return mean_colour(batch)

    fitted = frechet.gaussian(iter(pictures), extract)
    colours = np.array([picture.mean(axis=(0, 1)) for picture in pictures])
    np.testing.assert_allclose(fitted.mean, colours.mean(axis=0))
    np.testing.assert_allclose(fitted.root.T @ fitted.root, np.cov(colours, rowvar=False), atol=1e-9)
    assert fitted.images == 43
    assert seen == [(32, 4, 6, 3), (8, 4, 6, 3), (2, 5, 5, 3), (1, 4, 6, 3)]


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_pictures_are_refused(count):
    with pytest.raises(SRGANError, match=f"needs two images or more in each set, not {count}"):
        frechet.gaussian([np.zeros((4, 4, 3), np.uint8)] * count, mean_colour)


def test_comparing_two_sets_names_the_features_and_counts_the_images(monkeypatch, tmp_path):
    monkeypatch.setattr(frechet_features, "load", lambda features, workdir: mean_colour)
    dark, light = ([np.full((4, 4, 3), level + i, np.uint8) for i in range(count)] for level, count in ((10, 3), (110, 4)))
    found = frechet.compare(dark, light, "mobilenet", tmp_path)
    # Gray levels 10 to 12 and 110 to 113, the same in three channels: one line, along which standard deviations compare.
    expected = 3 * (111.5 - 11) ** 2 + 3 * (np.std([0, 1, 2], ddof=1) - np.std([0, 1, 2, 3], ddof=1)) ** 2
    assert found.value == pytest.approx(expected)
    assert (found.name, found.images) == ("Frechet distance (MobileNet v1 0.75)", (3, 4))


def test_the_number_of_images_stands_beside_the_number_and_few_are_told_in_words():
    assert str(frechet.Distance("FID", 11.104, (500, 2000))) == "FID 11.10 (500 images against 2000)"
    few = "FID 11.10 (499 images against 2000: fewer than 500, so it says little)"
    assert str(frechet.Distance("FID", 11.104, (499, 2000))) == few
    assert "fewer than 500" in str(frechet.Distance("FID", 11.104, (2000, 499)))


def test_a_folder_gives_its_images_in_rgb_and_subfolders_too(tmp_path):
    (tmp_path / "more").mkdir()
    Image.fromarray(skimage.data.coffee()[:20, :30]).save(tmp_path / "a.png")
    Image.fromarray(skimage.data.camera()[:20, :20]).save(tmp_path / "more" / "b.png")
    (tmp_path / "notes.txt").write_text("no image")
    a, b = frechet.folder(tmp_path)
    np.testing.assert_array_equal(a, skimage.data.coffee()[:20, :30])
    np.testing.assert_array_equal(b, skimage.data.camera()[:20, :20, None].repeat(3, axis=2))
    with pytest.raises(SRGANError, match=r"There is no folder .*nowhere"):
        frechet.folder(tmp_path / "nowhere")
