"""The fixed feature network of the content loss: VGG19 or VGG16 up to a layer given by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from srgan.data.fetch import RemoteFile, fetch
from srgan.errors import SRGANError
from srgan.models import precision

_NETWORKS = {"vgg19": keras.applications.VGG19, "vgg16": keras.applications.VGG16}
_CONVOLUTIONS = {"vgg19": (2, 2, 4, 4, 4), "vgg16": (2, 2, 3, 3, 3)}  # of each block
_MEAN_BGR = (103.939, 116.779, 123.68)  # of ImageNet, subtracted in training these networks

_URL = "https://storage.googleapis.com/tensorflow/keras-applications"
_KERAS = {  # its own weights, with their sizes and checksums
    network: RemoteFile(name := f"{network}_weights_tf_dim_ordering_tf_kernels_notop.h5", (f"{_URL}/{network}/{name}",), size, md5)
    for network, size, md5 in (
        ("vgg19", 80_134_624, "md5:253f8cb515780f3b799900260a226db6"),
        ("vgg16", 58_889_256, "md5:6d6bbae143d832006294945121d1f1fc"),
    )
}

Features = Callable[[tf.Tensor], tf.Tensor]


def features(content: str, scale: float, folder: Path) -> Features | None:
    """A function from images in [-1, 1] to the features that `content` names, times `scale`; None for "pixels".

    The weights are Keras's own for ImageNet, downloaded once into `folder`, or a local file that the environment variable
    SRGAN_VGG19 (SRGAN_VGG16) names: one in their format, or an .npz of arrays conv1_1.weight (out, in, height, width),
    conv1_1.bias (out,) and so on, up to the layer at least and of any width. Raises SRGANError if neither can be had, or for
    an unknown layer.
    """
    if content == "pixels":
        return None
    network, _, layer = content.partition("/")
    variable = f"SRGAN_{network.upper()}"
    local = os.environ.get(variable)
    if local and not Path(local).is_file():
        raise SRGANError(f"{variable} names {local}, which is not a file.")
    with precision.policy("float32"):  # features lose too much in half precision
        if local and local.endswith(".npz"):
            return extractor(_from_arrays(network, layer, Path(local)), scale)
        return extractor(truncate(_load(network, local, folder), layer), scale)


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


def _load(network: str, local: str | None, folder: Path) -> keras.Model:
    """The network with the weights of the file `local`, or with Keras's own."""
    advice = f'Or name a file: SRGAN_{network.upper()}=FILE. Or train on pixels instead: content = "pixels".'
    try:
        path = local or fetch(_KERAS[network], folder)
        return _NETWORKS[network](include_top=False, weights=str(path))
    except SRGANError as error:
        raise SRGANError(f"{error} {advice}") from error
    except Exception as error:  # Keras raises whatever h5py raised
        raise SRGANError(f"The weights of {network.upper()} could not be loaded from {path} ({error}). {advice}") from error


def _from_arrays(network: str, layer: str, path: Path) -> keras.Model:
    """The network up to `layer`, as wide as the kernels and biases of an .npz file make it."""
    image = x = keras.Input((None, None, 3), name="image")
    weights = []
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for name in _layers(network, layer):
                if name.endswith("pool"):
                    x = keras.layers.MaxPooling2D(name=name)(x)
                    continue
                stored = name.replace("block", "conv").replace("_conv", "_")  # block1_conv2: conv1_2, or conv12
                stored = stored if f"{stored}.weight" in arrays else stored.replace("_", "")
                kernel, bias = arrays[f"{stored}.weight"].transpose(2, 3, 1, 0), arrays[f"{stored}.bias"]
                x = keras.layers.Conv2D(len(bias), kernel.shape[:2], padding="same", activation="relu", name=name)(x)
                weights += [kernel, bias]
        truncated = keras.Model(image, x, name=f"{network}_{layer}")
        truncated.set_weights(weights)
    except (OSError, ValueError, KeyError) as error:
        raise SRGANError(f"{path} does not hold {network.upper()} up to {layer} ({error}).") from error
    truncated.trainable = False
    return truncated


def _layers(network: str, last: str) -> list[str]:
    """The names of the network's layers up to `last`. Raises SRGANError, naming all, if it is none of them."""
    names = []
    for block, convolutions in enumerate(_CONVOLUTIONS[network], start=1):
        names += [f"block{block}_conv{i}" for i in range(1, convolutions + 1)] + [f"block{block}_pool"]
    if last not in names:
        raise SRGANError(f"{network} has no layer {last}. Its layers are: {', '.join(names)}.")
    return names[: names.index(last) + 1]
