"""The exponential mean of G's weights over time: calmer than the weights themselves, which a GAN keeps swinging.

Polyak and Juditsky 1992; in GANs Yazıcı et al. 2019. After each update mean = decay * mean + (1 - decay) * weights.
"""

from __future__ import annotations

import keras

from srgan.config import Config
from srgan.models import networks


def average(config: Config, stage: str) -> keras.Model | None:
    """A generator to hold the mean of stage `stage`; None where the run keeps none, or where G stands still."""
    return networks.generator(config) if config.optimization.ema and stage != "discriminator" else None


def begin(mean: keras.Model | None, generator: keras.Model) -> None:
    """Let the mean, if there is one, begin as the weights that there are."""
    if mean is not None:
        mean.set_weights(generator.get_weights())


def follow(mean: keras.Model | None, generator: keras.Model, decay: float) -> None:
    """Move the mean, if there is one, towards the weights. Called outside of replicas: on each of them it is the same."""
    if mean is None:
        return
    for old, new in zip(mean.variables, generator.variables, strict=True):
        old.value.assign(decay * old.value + (1.0 - decay) * new.value)
