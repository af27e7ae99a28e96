"""What the notebooks draw to explain: that the pictures say what is true."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import skimage.data

from srgan.config import settings
from srgan.data import images
from srgan.models import networks
from srgan.presets import preset
from srgan.results import metrics, sample_study
from srgan.results.lessons import degradation, game, killing, measures
from srgan.results.lessons import networks as drawings
from srgan.upscale import network


@pytest.fixture(scope="module")
def hr():
    return skimage.data.chelsea()[40:168, 100:228]


def test_fine_stripes_vanish_in_the_right_way_and_come_back_as_false_ones_in_the_wrong_ones():
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::3] = 255  # a period of 3 pixels: finer than LR can hold
    lrs = degradation.ways(stripes)
    assert {lr.shape for lr in lrs.values()} == {(32, 32, 3)}
    spread = {name: float(lr[4:-4, 4:-4].astype(float).std()) for name, lr in lrs.items()}
    assert spread["degrade"] < 5 and min(spread["every 4th pixel"], spread["bilinear, no antialiasing"]) > 40


def test_the_spectrum_of_a_wave_stands_at_its_frequency():
    wave = np.cos(2 * np.pi * 0.25 * np.arange(128))[None] * np.ones((128, 1))
    frequencies, power = degradation.radial_spectrum(np.round(128 + 100 * wave[..., None].repeat(3, 2)).astype(np.uint8))
    assert frequencies[power.argmax()] == pytest.approx(0.25, abs=0.02)


def test_each_part_of_the_chain_is_shown_once_above_what_becomes_of_it(hr):
    suffered = degradation.sufferings(hr)
    assert {lr.shape for lr in suffered.values()} == {(32, 32, 3)}
    np.testing.assert_array_equal(suffered["clean"], images.degrade(hr))
    different = {lr.tobytes() for lr in suffered.values()}
    assert len(different) == len(suffered) == 10
    sheet = degradation.enlarged(suffered, network.bicubic, hr)
    rows = images.strip({name: suffered[name] for name in list(suffered)[:5]}, height=200)
    assert (sheet.width, sheet.height) == (rows.width, 4 * rows.height)


@pytest.mark.parametrize("config", [settings(), preset("quick"), preset("coco44")])
def test_the_drawing_has_the_parts_and_sizes_of_the_network(config):
    parts = drawings.parts(config)
    generator = networks.generator(config)
    assert f"{config.generator.blocks} residual" in parts[2][0]
    assert parts[-1][1] == "4h x 4w x 3"
    outputs = {layer.name: layer.output.shape[-1] for layer in generator.layers if not isinstance(layer.output, list)}
    assert parts[1][1].endswith(f"x {outputs['head_conv']}") and parts[3][1].endswith(f"x {outputs['trunk_conv']}")
    assert any("bicubic" in name for name, _, _ in parts) == config.generator.global_skip
    drawings.drawing(config)


def test_mean_and_median_are_the_best_answers_to_an_ambiguous_edge():
    rows, answers = drawings.ambiguous_edge()
    rng = np.random.default_rng(0)
    costs = {"MSE": lambda answer: np.mean((rows - answer) ** 2), "MAE": lambda answer: np.mean(np.abs(rows - answer))}
    for name, cost in costs.items():
        others = [*rows, *(answers[name] + rng.normal(0, 0.1, (50, rows.shape[1])))]
        assert all(cost(answers[name]) <= cost(other) + 1e-12 for other in others)
    assert set(answers["MAE"]) <= {0.0, 0.5, 1.0} and len(set(answers["MSE"])) > 4


def test_the_gradients_are_those_of_the_losses():
    logits = np.linspace(-4, 4, 9)
    losses = {"log(1 - D(SR))": lambda x: np.log(1 - 1 / (1 + np.exp(-x))), "-log D(SR)": lambda x: np.log(1 + np.exp(-x))}
    for name, gradient in game.generator_gradients(logits).items():
        slope = (losses[name](logits + 1e-5) - losses[name](logits - 1e-5)) / 2e-5
        np.testing.assert_allclose(np.abs(slope), gradient, atol=1e-6)


def test_the_map_of_d_has_its_answer_for_each_window():
    def brightness(windows):  # logits: the mean of a window
        return windows.mean(axis=(1, 2, 3))[:, None]

    picture = np.zeros((64, 96, 3), np.float32)
    picture[:, 48:] = 4.0
    found = game.d_map(brightness, picture, side=32, pace=16)
    assert found.shape == (3, 5)
    assert found[0, 0] == 0 and found[2, 4] == pytest.approx(4)
    with pytest.raises(ValueError, match="no window"):
        game.d_map(brightness, picture, side=65)


def test_features_are_those_of_the_front_of_the_network(hr):
    generator = networks.generator(preset("quick", blocks=1, filters=8))
    maps = game.first_features(generator)(hr)
    front = keras.Model(generator.input, generator.get_layer("block1_add").output)
    np.testing.assert_allclose(maps, front(images.to_float(hr)[None])[0], atol=1e-5)
    assert len(game.feature_maps({"HR": maps, "again": maps}, count=3).axes) == 6


def test_the_misleading_pictures_mislead(hr):
    pictures = measures.misleading(hr)
    moved, blurred, tinted = (pictures[name] for name in ("one pixel to the right", "blurred", "wrong colours"))
    assert metrics.psnr_y(hr, blurred) > metrics.psnr_y(hr, moved)
    assert metrics.ssim_y(hr, tinted) > 0.97 and metrics.psnr_rgb(hr, tinted) < 22
    named = list(measures.scored(pictures))
    assert named[0] == "HR" and " dB, SSIM " in named[1]


def test_an_error_map_is_black_where_nothing_is_wrong(hr):
    sr = hr.copy()
    sr[:64] = 255 - sr[:64]
    shown = measures.error_map(hr, sr)
    assert shown.shape == hr.shape and shown[64:].max() < 5 and shown[:64].mean() > 60


def test_the_scatter_has_a_point_for_each_method():
    values = {"psnr_y": 28.0, "ssim_y": 0.8, "detail": 0.5, "images": 2}
    results = {"sets": {"held-out": {"bicubic": values, "srgan": values | {"psnr_y": 27.0}}}}
    figure = measures.perception_distortion(results)
    names = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert names == [["bicubic", "SRCNN", "SelfExSR", "SRResNet", "SRGAN"], ["bicubic", "SRGAN"]]
    assert figure.axes[1].get_ylabel() == "detail"
    for found in results["sets"]["held-out"].values():
        found["st_lpips"] = 0.2
    assert measures.perception_distortion(results).axes[1].get_ylabel() == "ST-LPIPS"


def test_the_plane_has_our_points_filled_and_published_ones_hollow():
    values = {"psnr_y": 27.0, "st_lpips": 0.1, "images": 14}
    (axes,) = measures.plane({"sets": {"Set14": {"srgan": values, "HR": {"images": 14}}}}).axes
    names = [text.get_text() for text in axes.texts]
    assert "this run's SRGAN" in names and names[-6:] == ["bicubic", "SFTGAN", "SRGAN", "ESRGAN", "NatSR", "SPSR"]
    ours, theirs = axes.collections
    assert len(ours.get_facecolors()) == 1 and len(theirs.get_facecolors()) == 0
    assert axes.yaxis_inverted() and "another LPIPS" in theirs.get_label()


def test_a_training_that_was_killed_ends_like_one_that_was_left_alone(tmp_path):
    alone, killed = (killing.train(tmp_path / name, kill=name == "killed") for name in ("alone", "killed"))
    steps = killing.SETTINGS["pretrain_steps"]
    assert alone.killed_at == 0 and steps // 3 <= killed.killed_at < steps
    losses = [[(row["step"], row["loss"]) for row in each.rows] for each in (alone, killed)]
    assert losses[0] == losses[1] and alone.checksum == killed.checksum
    last = killing.comparison(alone, killed).rows[-1]
    assert last == ("equal", True, True, True)


def test_the_small_study_never_tests_on_what_it_learned(tmp_path):
    folders = sample_study.write_training_tiles(tmp_path)
    held_out = sample_study.test_images()
    for domain, photos in sample_study.DOMAINS.items():
        tiles = [images.read_image(path) for path in sorted((tmp_path / domain).iterdir())]
        assert folders[domain] == f"folder:{tmp_path / domain}"
        assert len(tiles) == sample_study.TRAINING_TILES and {tile.shape for tile in tiles} == {(160, 160, 3)}
        assert len(held_out[domain]) == 24 and {name.rsplit(" ", 1)[0] for name, _, _ in held_out[domain]} == {
            photo.rsplit(".", 1)[0] for photo in photos}  # fmt: skip
        for _, lr, hr in held_out[domain]:
            np.testing.assert_array_equal(lr, images.degrade(hr))
            corner = hr[:16, :16]
            windows = [np.lib.stride_tricks.sliding_window_view(tile, corner.shape)[::1, ::1, 0] for tile in tiles[:2]]
            assert not any((window == corner).all(axis=(2, 3, 4)).any() for window in windows)
