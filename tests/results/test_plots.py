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
