"""Notebook 03's drawings: who learns from what, and the smallest GAN there is."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb

from srgan.results import palette
from srgan.results.lessons import game, line_game


def test_on_the_line_g_ends_where_the_real_numbers_are_and_d_cannot_tell():
    played = line_game.play()
    g, d = played[-1]
    np.testing.assert_allclose(g, line_game.REAL, atol=0.06)
    np.testing.assert_allclose(line_game.probability(d, np.linspace(1, 3, 5)), 0.5, atol=0.05)
    assert len(line_game.figure(played).axes) == 4


def test_on_the_line_a_d_that_is_not_held_lets_g_collapse_on_its_way():
    assert min(stretch for (_, stretch), _ in line_game.play(held=0)) < line_game.REAL[1] / 2
    assert min(stretch for (_, stretch), _ in line_game.play()) > line_game.REAL[1] * 0.9


def test_in_each_half_of_a_step_one_network_is_drawn_as_learning():
    figure = game.players()
    for axes, learner in zip(figure.axes, "DG", strict=True):
        names = [text.get_text() for text in axes.texts if text.get_text()]
        green = [name for name, box in zip(names, axes.patches, strict=False) if box.get_facecolor()[:3] == to_rgb(palette.GREEN)]
        assert green == [learner]


def test_beliefs_are_probabilities_and_a_relativistic_ds_stand_beside_the_other_picture():
    hr, sr = np.array([[2.0, 4.0]]), np.array([[1.0, 1.0]])
    np.testing.assert_allclose(game.beliefs(hr, sr, "standard")["SRGAN"], 1 / (1 + np.exp(-sr)))
    beside = game.beliefs(hr, sr, "relativistic")
    np.testing.assert_allclose(beside["HR"], 1 / (1 + np.exp(-np.array([[1.0, 3.0]]))))
    np.testing.assert_allclose(beside["SRGAN"], 1 / (1 + np.exp([[2.0, 2.0]])))
