from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from srgan.config import Optimization
from srgan.train.optimizers import adam

RNG = np.random.default_rng(0)


def network() -> keras.Model:
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(4)(inputs), name="g")


def test_the_fused_adam_gives_the_numbers_of_keras_own():
    settings = Optimization(adam_beta1=0.8, adam_beta2=0.95, adam_epsilon=1e-4)
    ours, theirs = network(), network()
    theirs.set_weights(ours.get_weights())
    fused = adam(settings, ours)
    reference = keras.optimizers.Adam(beta_1=0.8, beta_2=0.95, epsilon=1e-4, name="adam_g")
    reference.build(theirs.trainable_variables)
    for rate in (0.1, 0.03, 0.0, 0.2):
        gradients = [tf.constant(RNG.normal(size=weight.shape).astype(np.float32)) for weight in ours.trainable_variables]
        for optimizer, weights in ((fused, ours), (reference, theirs)):
            optimizer.learning_rate = rate
            optimizer.apply(gradients, weights.trainable_variables)
    for one, other in zip(fused.variables, reference.variables, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
