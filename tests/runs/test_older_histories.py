"""The loss files of older projects: what is read of them, what is refused, and that the same plots come of them."""

import math

import numpy as np
import pytest

from srgan.errors import SRGANError
from srgan.results import plots
from srgan.runs import history, older_histories
from srgan.train.steps import REPORTED

# The forms in which such lines occur: tabs, one or two; spaces; exponents; numbers as NumPy 2 prints them.
FORMS = {
    "tabs": "EPOCH 7\t\td_loss 7.96875\tgan_loss [0.0625, 0.03125, 1.75]",
    "spaces": "  EPOCH 7  d_loss 7.96875  gan_loss [0.0625, 0.03125, 1.75]  ",
    "tight": "EPOCH 7 d_loss 7.96875 gan_loss [0.0625,0.03125,1.75]",
    "spaces in the list": "EPOCH 7 d_loss 7.96875 gan_loss [ 0.0625 , 0.03125 , 1.75 ]",
    "array": "EPOCH 7 d_loss 7.96875 gan_loss [0.0625  0.03125 1.75]",
    "exponents": "EPOCH 7  d_loss 7.96875e+00  gan_loss [6.25e-02, 3125E-5, .175e1]",
    "numpy": "EPOCH 7  d_loss np.float32(7.96875)  gan_loss [np.float32(0.0625), np.float64(0.03125), numpy.float16(1.75)]",
    "colons": "Epoch: 7, d_loss: 7.96875, gan_loss: [0.0625, 0.03125, 1.75]",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_line_is_read_in_every_form(tmp_path, form):
    (tmp_path / "loss.txt").write_text(FORMS[form] + "\n")
    assert older_histories.read(tmp_path / "loss.txt") == [
        {"step": 7.0, "discriminator": 7.96875, "perceptual": 0.0625, "content": 0.03125, "adversarial": 1.75}
    ]


def lines(epochs, shift: float = 0.0) -> list[str]:
    return [f"EPOCH {n}\td_loss {8 + shift}\tgan_loss [{1 / n + shift}, {0.5 / n}, {1.5 + shift}]" for n in epochs]


def test_title_and_empty_lines_are_passed_over(tmp_path):
    text = "\ufeffCOCO\r\n" + "\r\n".join([*lines([1, 2]), "", *lines([3])]) + "\r\n\r\n"
    (tmp_path / "loss.txt").write_bytes(text.encode("utf-8"))
    rows = older_histories.read(tmp_path / "loss.txt")
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert [row["content"] for row in rows] == pytest.approx([0.5, 0.25, 0.5 / 3])


def test_epochs_that_were_trained_again_replace_the_earlier_ones(tmp_path):
    (tmp_path / "loss.txt").write_text("\n".join(lines(range(1, 9)) + lines(range(5, 11), shift=1.0)))
    rows = older_histories.read(tmp_path / "loss.txt")
    assert [row["step"] for row in rows] == list(range(1, 11))
    assert [row["discriminator"] for row in rows] == [8.0] * 4 + [9.0] * 6


def test_a_loss_that_was_no_number_stays_one(tmp_path):
    (tmp_path / "loss.txt").write_text("EPOCH 1 d_loss nan gan_loss [nan, inf, -0.5]\n")
    (row,) = older_histories.read(tmp_path / "loss.txt")
    assert math.isnan(row["discriminator"]) and math.isnan(row["perceptual"])
    assert (row["content"], row["adversarial"]) == (math.inf, -0.5)


@pytest.mark.parametrize(
    "line",
    [
        "EPOCH 3 d_loss 7.9 gan_loss [0.1, 0.2]",
        "EPOCH 3 d_loss 7.9 gan_loss [0.1, 0.2, 0.3, 0.4]",
        "EPOCH 3 d_loss 7.9 gan_loss [0.1, 0.2, 0.",
        "EPOCH 3 d_loss 7.9 gan_loss [1, 2, 3] EPOCH 4 d_loss 7.9 gan_loss [1, 2, 3]",
        "EPOCH 3 d_loss 7..9 gan_loss [1, 2, 3]",
        "EPOCH 3 d_loss np.float32(7.9 gan_loss [1, 2, 3]",
        "EPOCH 3 d_loss gan_loss [1, 2, 3]",
        "EPOCH 3 d_loss 7.9",
        "EPOCH -3 d_loss 7.9 gan_loss [1, 2, 3]",
        "EPOCH d_loss 7.9 gan_loss [1, 2, 3]",
        "COCO",
        "\0\0",
    ],
)
def test_a_malformed_line_is_told_with_its_number(tmp_path, line):
    (tmp_path / "loss.txt").write_text("\n".join([*lines([1, 2]), line, *lines([4])]))
    with pytest.raises(SRGANError, match=r"loss\.txt, line 3: .* is not of the form EPOCH n  d_loss x"):
        older_histories.read(tmp_path / "loss.txt")


def test_a_first_line_with_numbers_is_no_title(tmp_path):
    (tmp_path / "loss.txt").write_text("\n".join(["EPOCH 1 d_loss 7", *lines([2])]))
    with pytest.raises(SRGANError, match=r"line 1: 'EPOCH 1 d_loss 7'"):
        older_histories.read(tmp_path / "loss.txt")


def test_a_file_without_an_epoch_and_one_that_is_missing_are_told(tmp_path):
    (tmp_path / "empty.txt").write_text("COCO\n\n")
    with pytest.raises(SRGANError, match=r"empty\.txt holds no line of the form EPOCH"):
        older_histories.read(tmp_path / "empty.txt")
    with pytest.raises(SRGANError, match=r"none\.txt cannot be read \(No such file or directory\)"):
        older_histories.read(tmp_path / "none.txt")


def test_columns_are_those_of_our_own_history_and_the_same_plots_and_summary_come_of_them(tmp_path):
    assert set(older_histories.COLUMNS) <= {"step", *REPORTED["srgan"]}
    (tmp_path / "loss.txt").write_text("\n".join(lines(range(1, 101))))
    rows = older_histories.read(tmp_path / "loss.txt")
    whole, detail = plots.losses(rows, window=(40, 60), adversarial_weight=0.001, unit="epoch").axes
    curves = {line.get_label(): line for line in whole.lines}
    np.testing.assert_array_equal(curves["content loss"].get_xdata(), np.arange(1, 101))
    np.testing.assert_allclose(whole.lines[0].get_ydata(), 1 / np.arange(1, 101))  # perceptual, not smoothed
    assert {"perceptual loss", "content loss", "0.001 x adversarial loss"} <= set(curves)
    assert (detail.lines[0].get_xdata().min(), detail.lines[0].get_xdata().max()) == (40, 60)
    assert (whole.get_xlabel(), detail.get_title()) == ("epoch", "epochs 40 to 60")
    assert [entry["loss"] for entry in history.summary(rows)] == ["discriminator", "perceptual", "content", "adversarial"]
