"""The two halves of a generator: the body sees far and takes little memory, the tail sees little and takes much.

A large image goes through them in tiles of different sizes: large ones, so that their wide overlap costs little, and
within these small ones.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import tensorflow as tf

SEAM = "trunk_add"  # the last layer of the body: all of its work is at LR size


def body(generator: keras.Model) -> keras.Model:
    """LR (B, H, W, 3) in [0, 1] -> features (B, H, W, filters)."""
    return keras.Model(generator.input, generator.get_layer(SEAM).output)


def tail(generator: keras.Model) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Features (B, H, W, filters) and the LR that they are of -> SR (B, 4 H, 4 W, 3), by the generator's own layers."""
    layers = split(generator)[1]

    def run(features: tf.Tensor, lr: tf.Tensor) -> tf.Tensor:
        known = {id(generator.get_layer(SEAM).output): features, id(generator.input): lr}
        for layer in layers:
            known[id(layer.output)] = layer(keras.tree.map_structure(lambda tensor: known[id(tensor)], layer.input))
        return known[id(generator.output)]

    return run


def split(generator: keras.Model) -> tuple[list[keras.layers.Layer], list[keras.layers.Layer]]:
    """The layers of the body and those of the tail, each after all that it takes from."""
    made_by = {id(layer.output): layer for layer in generator.layers}
    known = {id(generator.input), id(generator.get_layer(SEAM).output)}
    tail: list[keras.layers.Layer] = []

    def towards(tensor) -> None:
        if id(tensor) not in known:
            known.add(id(tensor))
            for source in keras.tree.flatten(made_by[id(tensor)].input):
                towards(source)
            tail.append(made_by[id(tensor)])

    towards(generator.output)
    return [layer for layer in generator.layers if layer not in tail], tail
