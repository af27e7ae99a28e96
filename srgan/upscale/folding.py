"""The generator as inference wants it: batch norm folded into the convolutions before it."""

from __future__ import annotations

import keras
import numpy as np

from srgan.config import Config
from srgan.models import networks, precision
from srgan.models.layers import PReLU


def folded(
    generator: keras.Model, config: Config, policy: str = "float32", last_shuffle: bool = False, sums: str | None = None
) -> keras.Model:
    """A generator without batch norm that computes what `generator` does in inference, in the Keras dtype policy `policy`.

    `config` describes the network of `generator`; `last_shuffle` and `sums` as in `networks.generator`. The copy is made for these
    weights: they must not change.
    """
    with precision.policy(policy):
        plain = networks.generator(config.replace(generator_norm=False), last_shuffle, sums)
    layers = {layer.name: layer for layer in generator.layers}
    for layer in plain.layers:
        if layer.weights:
            weights = layers[layer.name].get_weights()
            norm = layers.get(layer.name.replace("conv", "norm")) if "conv" in layer.name else None
            layer.set_weights(_fold(*weights, norm) if norm else weights)
        if isinstance(layer, PReLU):
            layer.slopes_at_most_one = bool((weights[0] <= 1).all())
    return plain


def _fold(kernel: np.ndarray, bias: np.ndarray, norm: keras.layers.Layer) -> list[np.ndarray]:
    """Kernel and bias of a convolution that does the work of `norm` too."""
    gamma, beta, mean, variance = norm.get_weights()
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return [kernel * scale, (bias - mean) * scale + beta]
