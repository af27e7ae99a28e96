from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import skimage.data

from srgan.data import images
from srgan.errors import SRGANError
from srgan.upscale import network
from tests import clips
from tools import flicker

PHOTO = images.degrade(skimage.data.astronaut()[:192, 64:320])


def test_noise_flickers_and_a_still_film_does_not():
    rng = np.random.default_rng(0)
    assert flicker.both([(PHOTO, False)] * 3, network.bicubic) == (0, 0)

    def restless(level: float) -> float:
        def noisy(lr: np.ndarray) -> np.ndarray:
            return np.clip(network.bicubic(lr) + rng.normal(0, level, (192, 256, 1)), 0, 255).astype(np.uint8)

        return flicker.both([(PHOTO, False)] * 3, noisy)[0]

    weak, strong = restless(4), restless(8)
    assert 2 < weak < 5 and strong == pytest.approx(2 * weak, rel=0.1)


def test_what_moves_is_left_out():
    moving = np.concatenate([PHOTO[:, :32], np.roll(PHOTO, 5, axis=0)[:, 32:]], axis=1)
    mask = flicker.still(PHOTO, moving)
    assert mask.shape == (192, 256) and mask[:, :80].all() and mask[:, 160:].mean() < 0.6
    assert np.isnan(flicker.both([(PHOTO // 2, True), (PHOTO // 2 + 60, False)], network.bicubic)).all()


def grainy(number: int, width: int, height: int) -> np.ndarray:
    grain = np.random.default_rng(number).normal(0, 3, (height, width, 1))
    return np.clip(PHOTO[:height, :width] + grain, 0, 255).astype(np.uint8)


def test_the_table_stands_against_bicubic_and_refuses_what_has_no_flicker(tmp_path):
    film = {"size": (64, 48), "picture": grainy, "unit": Fraction(1, 25)}
    table = flicker.table(clips.write(tmp_path / "grainy.mp4", stamps=range(4), **film), ["nearest"], most=3)
    assert "3 frames" in table.head[0] and [row[0] for row in table.rows] == ["bicubic", "nearest"]
    assert table.rows[0][2] == "1.00" and float(table.rows[1][2]) > 1.1 > 0.9 > float(table.rows[1][4])
    with pytest.raises(SRGANError, match="has 1 frame"):
        flicker.table(clips.write(tmp_path / "one.mp4", stamps=range(1), **film), ["nearest"], most=5)
    black = film | {"picture": lambda number, width, height: np.zeros((height, width, 3), np.uint8)}
    with pytest.raises(SRGANError, match="nothing flickers"):
        flicker.table(clips.write(tmp_path / "black.mp4", stamps=range(3), **black), ["nearest"], most=5)
