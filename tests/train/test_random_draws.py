from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from srgan.config import settings
from srgan.train import random_draws


def test_pictures_are_rolled_by_pixels_that_vary_with_the_step_and_with_nothing_else():
    assert random_draws.roll(settings(), tf.constant(3)).numpy().tolist() == [0, 0]
    config = settings(random_shift=2)
    drawn = [tuple(random_draws.roll(config, tf.constant(step)).numpy()) for step in range(60)]
    assert drawn == [tuple(random_draws.roll(config, tf.constant(step)).numpy()) for step in range(60)]
    assert set(drawn) == {(y, x) for y in range(3) for x in range(3)}


def test_hard_labels_are_exact_at_every_step():
    for step in (0, 1, 10**6):
        labels = random_draws.labels(settings(batch_size=5, fake_label=0.9), "fake", tf.constant(step, tf.int64)).numpy()
        np.testing.assert_array_equal(labels, np.full((5, 1), 0.9, np.float32))


def test_label_noise_is_a_pure_function_of_seed_step_and_kind():
    seen = {}
    for seed in (1, 2, 3):
        config = settings(batch_size=4, label_noise=0.05, seed=seed, real_label=0.0, fake_label=0.0, generator_label=0.0)
        for step in (0, 1, 2):
            for kind in ("real", "fake", "generator"):
                labels = random_draws.labels(config, kind, tf.constant(step, tf.int64)).numpy()
                tf.random.normal((3,))  # nothing else that draws moves them
                np.testing.assert_array_equal(labels, random_draws.labels(config, kind, tf.constant(step, tf.int64)))
                seen[seed, step, kind] = tuple(labels[:, 0])
    assert len(set(seen.values())) == len(seen) == 27


def test_label_noise_does_not_depend_on_tracing():
    config = settings(batch_size=4, label_noise=0.05, generator_label=0.9)
    traced = tf.function(lambda step: random_draws.labels(config, "generator", step))
    for step in (0, 7):
        index = tf.constant(step, tf.int64)
        np.testing.assert_array_equal(traced(index), random_draws.labels(config, "generator", index))


def test_label_noise_is_normal_around_the_label():
    config = settings(batch_size=16, label_noise=0.05, real_label=0.9)
    drawn = np.concatenate([random_draws.labels(config, "real", tf.constant(step, tf.int64)).numpy() for step in range(500)])
    assert drawn.shape == (8000, 1)
    # Five standard errors each: 0.05 / sqrt(8000) of the mean, 0.05 / sqrt(16000) of the deviation.
    assert drawn.mean() == pytest.approx(0.9, abs=5 * 0.05 / math.sqrt(8000))
    assert drawn.std() == pytest.approx(0.05, abs=5 * 0.05 / math.sqrt(16000))
    assert np.mean(np.abs(drawn - 0.9) < 0.05) == pytest.approx(0.683, abs=0.03)


def test_label_noise_can_be_that_of_sr_alone():
    config = settings(batch_size=4, label_noise=0.05, label_noise_on="fake", fake_label=0.1)
    real, fake, wanted = (
        random_draws.labels(config, kind, tf.constant(3, tf.int64)).numpy() for kind in ("real", "fake", "generator")
    )
    assert np.ptp(fake) > 0
    np.testing.assert_array_equal(real, np.ones((4, 1), np.float32))
    np.testing.assert_array_equal(wanted, np.ones((4, 1), np.float32))
