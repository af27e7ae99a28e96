"""The figures of losses, checked by reading the drawn lines back."""

from __future__ import annotations

import numpy as np

from srgan.results import palette, plots

GAN_ROW = {"perceptual": 0.06, "content": 0.05, "adversarial": 0.7, "discriminator": 1.4, "d_hr": 0.5, "d_sr": 0.5,
           "learning_rate": 1e-4, "images_per_second": 100.0}  # fmt: skip


def test_the_zoomed_panel_holds_only_its_window():
    rows = [{"step": float(step), "loss": 1.0 / step} for step in range(1, 101)]
    whole, detail = plots.losses(rows, window=(40, 60)).axes
    assert (whole.lines[0].get_xdata().min(), whole.lines[0].get_xdata().max()) == (1, 100)
    assert (detail.lines[0].get_xdata().min(), detail.lines[0].get_xdata().max()) == (40, 60)
    assert np.allclose(detail.lines[0].get_ydata(), [1.0 / step for step in range(40, 61)])


def test_the_gan_curves_weigh_the_adversarial_loss():
    rows = [{"step": float(step)} | GAN_ROW for step in range(1, 11)]
    whole = plots.losses(rows, adversarial_weight=0.01).axes[0]
    by_label = {line.get_label(): line.get_ydata() for line in whole.lines}
    assert np.allclose(by_label["0.01 x adversarial loss"], 0.007)
    assert np.allclose(by_label["content loss"], 0.05)


def test_a_mark_is_drawn_where_training_was_resumed():
    rows = [{"step": float(step), "loss": 1.0 / step} for step in range(1, 101)]
    whole, detail = plots.losses(rows, marks=(20, 70)).axes
    at = lambda axes: [line.get_xdata()[0] for line in axes.lines if "resumed" in str(line.get_label())]  # noqa: E731
    assert (at(whole), at(detail)) == ([20, 70], [70])


def test_a_stage_without_d_shows_its_learning_rate_and_one_with_d_both_outputs():
    steps = [{"step": float(step), "loss": 1.0 / step, "learning_rate": 1e-3} for step in range(1, 10)]
    assert [line.get_label() for line in plots.training(steps).axes[1].lines] == ["learning rate"]
    gan = [{"step": float(step)} | GAN_ROW for step in range(1, 10)]
    right = plots.training(gan).axes[1]
    assert {line.get_label(): line.get_color() for line in right.lines if line.get_label() != "D cannot tell"} == {
        "D(HR)": palette.GREEN, "D(SR)": palette.RED}  # fmt: skip


def test_the_plane_joins_the_strengths_of_the_dial():
    ours = {"srgan": (27, 0.1), "srgan@0": (28, 0.2), "srgan@1": (27, 0.1)}
    (axes,) = plots.plane(ours, {"ESRGAN": (26.3, 0.13)}, "Set14", "ST-LPIPS").axes
    (line,) = axes.lines
    assert list(line.get_xdata()) == [28, 27]
    assert [text.get_text() for text in axes.texts] == ["srgan", "ESRGAN"]


def test_the_dial_has_a_panel_for_each_measure_and_a_curve_for_each_set():
    values = {name: {strength: {"psnr_y": 28 - strength, "niqe": 6.0} for strength in (0, 0.5, 1)} for name in ("Set14", "BSD100")}
    first, second = plots.dial(values, {"psnr_y": "PSNR", "niqe": "NIQE"}).axes
    assert [line.get_label() for line in first.lines] == ["Set14", "BSD100"]
    assert list(first.lines[0].get_ydata()) == [28, 27.5, 27] and second.get_title() == "NIQE"
