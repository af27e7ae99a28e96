"""The fixed feature network of the content loss: VGG19 or VGG16 up to a layer given by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from srgan.config import Config
from srgan.errors import SRGANError

_NETWORKS = {"vgg19": keras.applications.VGG19, "vgg16": keras.applications.VGG16}
_MEAN_BGR = (103.939, 116.779, 123.68)  # of ImageNet, subtracted in training these networks

Features = Callable[[tf.Tensor], tf.Tensor]


def features(config: Config) -> Features | None:
    """A function from images in [-1, 1] to features times `content_scale`; None where content = "pixels".

    The weights are Keras's own for ImageNet, downloaded once, or a local file in their format that the environment
    variable SRGAN_VGG19 (SRGAN_VGG16) names. Raises SRGANError if neither can be had, or for an unknown layer.
    """
    if config.content == "pixels":
        return None
    network, _, layer = config.content.partition("/")
    return extractor(truncate(_load(network), layer), config.content_scale)


def truncate(network: keras.Model, layer: str) -> keras.Model:
    """`network` up to the output of `layer`, frozen. Raises SRGANError, naming the layers there are."""
    names = [candidate.name for candidate in network.layers[1:]]
    if layer not in names:
        raise SRGANError(f"{network.name} has no layer {layer}. Its layers are: {', '.join(names)}.")
    truncated = keras.Model(network.input, network.get_layer(layer).output, name=f"{network.name}_{layer}")
    truncated.trainable = False
    return truncated


def extractor(network: keras.Model, scale: float) -> Features:
    """Features of images (B, H, W, 3) in [-1, 1], which `network` sees as 0-255 BGR less the ImageNet mean."""

    def call(images: tf.Tensor) -> tf.Tensor:
        bgr = (tf.cast(images, tf.float32)[..., ::-1] + 1.0) * 127.5
        return network(bgr - tf.constant(_MEAN_BGR), training=False) * scale

    return call


def _load(network: str) -> keras.Model:
    variable = f"SRGAN_{network.upper()}"
    local = os.environ.get(variable)
    if local and not Path(local).is_file():
        raise SRGANError(f"{variable} names {local}, which is not a file.")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # features lose too much in half precision
    try:
        return _NETWORKS[network](include_top=False, weights=local or "imagenet")
    except Exception as error:  # Keras raises whatever urllib or h5py raised
        raise SRGANError(
            f"The ImageNet weights of {network.upper()} could not be loaded from {local or 'the network'} ({error}). "
            f"Check the connection; or fetch Keras's {network}_weights_tf_dim_ordering_tf_kernels_notop.h5 by hand and "
            f'set {variable}=FILE; or train on pixels instead: content = "pixels".'
        ) from error
    finally:
        keras.config.set_dtype_policy(before)
