"""Films without flicker: still regions stay, what moves is as the network makes it."""

from __future__ import annotations

import numpy as np
import pytest

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


def grain(level: int, sigma: float, seed: int) -> np.ndarray:
    """A gray texture, (64, 96, 3)."""
    return np.repeat(noisy(np.full((64, 96, 1), level, np.uint8), sigma, seed), 3, -1)


def test_a_key_frame_changes_nothing_where_nothing_moves():
    """Textures come out of the codec otherwise; what is behind them stands still."""
    lr, steady = grain(120, 20, 0), Steady()
    first = steady(lr, restless(lr, 0), True)
    made_anew = lr + grain(30, 4, 1) - 30
    assert np.array_equal(steady(made_anew, restless(lr, 1), True), first)
    assert np.array_equal(steady(made_anew, restless(lr, 2)), first), "the frames after it are made from it"
    assert not np.array_equal(steady(lr, restless(lr, 3)), first), "without a key frame it would be a movement"


@pytest.mark.parametrize("before, after", [("flat", "texture"), ("texture", "flat"), ("texture", "other")])
def test_a_new_scene_of_the_same_brightness_begins_at_its_key_frame(before, after):
    scenes, steady = {"flat": grain(120, 0, 0), "texture": grain(120, 20, 0), "other": grain(120, 20, 1)}, Steady()
    steady(scenes[before], nearest(scenes[before]), True)
    wanted = nearest(scenes[after])
    shown = steady(scenes[after], wanted, True)
    assert np.abs(shown.astype(int) - wanted).mean() < 0.15 * np.abs(nearest(scenes[before]).astype(int) - wanted).mean()


@pytest.mark.parametrize("key", [1, 12])
def test_a_slow_fade_is_followed_through_key_frames(key):
    """In a film of nothing but key frames, too."""
    steady, texture = Steady(), grain(100, 20, 0)
    for level in range(0, 121):
        lr = texture + np.uint8(level // 2)
        shown = steady(lr, nearest(lr), level % key == 0)
    assert np.abs(shown.astype(int) - nearest(lr)).mean() <= 5
