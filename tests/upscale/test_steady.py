"""Films without flicker: still regions stay, what moves is as the network makes it."""

from __future__ import annotations

import numpy as np

from srgan.upscale.network import nearest
from srgan.upscale.steady import Steady
from tests import clips


def noisy(image: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def restless(lr: np.ndarray, seed: int) -> np.ndarray:
    """SR as of a network that answers to each change of LR with other details."""
    return noisy(nearest(lr), 12, seed)


def test_what_stands_still_does_not_flicker():
    lr, steady = clips.pattern(0, 96, 64), Steady()
    first, *later = (steady(noisy(lr, 0.5, seed), restless(lr, seed)) for seed in range(6))
    assert all(np.array_equal(first, sr) for sr in later)


def test_what_moves_is_as_the_network_makes_it():
    lr, steady = clips.pattern(0, 96, 64), Steady()
    steady(lr, restless(lr, 0))
    moved = lr.copy()
    moved[20:40, 30:60] = 255 - moved[20:40, 30:60]
    sr = restless(moved, 1)
    shown = steady(moved, sr)
    assert np.array_equal(shown[84:156, 124:236], sr[84:156, 124:236])  # its inside
    assert np.array_equal(shown[:64], restless(lr, 0)[:64])  # above it nothing moved


def test_a_new_scene_begins_at_once():
    steady, dark, bright = Steady(), np.full((32, 48, 3), 30, np.uint8), np.full((32, 48, 3), 200, np.uint8)
    steady(dark, restless(dark, 0))
    assert np.array_equal(steady(bright, restless(bright, 1)), restless(bright, 1))


def test_a_slow_fade_is_followed():
    """Changes too small to be seen from frame to frame add up."""
    steady = Steady()
    for level in range(60, 121):
        lr = np.full((32, 48, 3), level, np.uint8)
        shown = steady(lr, nearest(lr))
    assert np.abs(shown.astype(int) - 120).max() <= 6


def test_frames_of_any_size_are_steadied():
    lr, steady = clips.pattern(0, 48, 32), Steady()
    sizes = [steady(lr, np.zeros((height, 75, 3), np.uint8)).shape for height in (50, 50)]
    assert sizes == [(50, 75, 3)] * 2


def test_it_goes_on_from_its_state():
    frames = [noisy(clips.pattern(number // 3, 48, 32), 1.5, number) for number in range(8)]
    whole, parted = Steady(), Steady()
    expected = [whole(lr, restless(lr, i)) for i, lr in enumerate(frames)]
    shown = [parted(lr, restless(lr, i)) for i, lr in enumerate(frames[:4])]
    parted = Steady(parted.state())
    shown += [parted(lr, restless(lr, i)) for i, lr in enumerate(frames[4:], 4)]
    assert all(map(np.array_equal, shown, expected))
