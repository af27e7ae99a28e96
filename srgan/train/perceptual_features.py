"""The fixed feature network of the content loss: VGG19 or VGG16 up to one or several layers given by name, or LPIPS.

It computes in the run's own number format. A network of convolutions, ReLU and maxima is positively homogeneous: with its input and
all its biases divided by s, all its features are divided by s. Divided by RANGE they stay far from what float16 can hold; they are
multiplied by it again in float32, in which the loss is taken.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from srgan.data.fetch import RemoteFile, fetch
from srgan.errors import SRGANError
from srgan.models import lpips, precision

RANGE = 256.0  # what the features are divided by in half precision; a power of two, so that nothing is rounded
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

Features = Callable[[tf.Tensor], tf.Tensor | list[tf.Tensor] | lpips.Seen]
Convolutions = dict[str, tuple[np.ndarray, np.ndarray]]  # name of a layer -> kernel (h, w, in, out) and bias (out,)


def load(content: str, scale: float, folder: Path, dtype: str = "float32") -> Features | None:
    """A function from images in [-1, 1] to the features that `content` names, times `scale`; None for "pixels".

    Of one layer it gives a tensor; of several a list, each layer's features times the root of its weight, so that the weights are
    those of the squares; of "lpips" what is compared, times `scale`, and the activations. All are computed in `dtype`.

    The weights are Keras's own for ImageNet, downloaded once into `folder`, or a local file that the environment variable
    SRGAN_VGG19 (SRGAN_VGG16) names: one in their format, or an .npz of arrays conv1_1.weight (out, in, height, width),
    conv1_1.bias (out,) and so on, up to the last layer at least and of any width. Raises SRGANError if neither can be had, or for
    an unknown layer.
    """
    if content == "pixels":
        return None
    if content == "lpips":
        depths = lpips.load("vgg16", dtype)
        return lambda images: (seen := depths(images))._replace(compared=[depth * scale for depth in seen.compared])
    network, _, layers = content.partition("/")
    weights = layer_weights(layers)
    names = max((layers_up_to(network, layer) for layer in weights), key=len)
    factors = {layer: scale * math.sqrt(weight) for layer, weight in weights.items()}
    return vgg(names, _convolutions(network, names, folder), factors, dtype)


def layer_weights(layers: str) -> dict[str, float]:
    """The weight of each layer in "LAYER:WEIGHT+LAYER:WEIGHT"; 1 where none is given. Raises SRGANError for another form."""
    found = {}
    for part in layers.split("+"):
        layer, colon, weight = part.partition(":")
        try:
            found[layer] = float(weight) if colon else 1.0
            if not layer or not 0 < found[layer] < math.inf:
                raise ValueError
        except ValueError:
            raise SRGANError(f"Layers must be like block1_conv2:0.1+block2_conv2:0.5, weights above 0, not {layers}.") from None
    return found


def layers_up_to(network: str, last: str) -> list[str]:
    """The names of the network's layers up to `last`. Raises SRGANError, naming all, if it is none of them."""
    names = []
    for block, convolutions in enumerate(_CONVOLUTIONS[network], start=1):
        names += [f"block{block}_conv{i}" for i in range(1, convolutions + 1)] + [f"block{block}_pool"]
    if last not in names:
        raise SRGANError(f"{network} has no layer {last}. Its layers are: {', '.join(names)}.")
    return names[: names.index(last) + 1]


def vgg(names: list[str], convolutions: Convolutions, factors: dict[str, float], dtype: str = "float32") -> Features:
    """The network of the layers `names`: features of images (B, H, W, 3) in [-1, 1] at the layers in `factors`, times these.

    The network sees 0-255 BGR less the ImageNet mean.
    """
    divisor = 1.0 if dtype == "float32" else RANGE
    constants = {name: (tf.constant(k, dtype), tf.constant(b / divisor, dtype)) for name, (k, b) in convolutions.items()}

    def features(images: tf.Tensor) -> tf.Tensor | list[tf.Tensor]:
        bgr = (tf.cast(images, tf.float32)[..., ::-1] + 1.0) * 127.5 - tf.constant(_MEAN_BGR)
        x, found = tf.cast(bgr / divisor, dtype), {}
        for name in names:
            if name.endswith("pool"):
                x = tf.nn.max_pool2d(x, 2, 2, "VALID")
            else:
                kernel, bias = constants[name]
                x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias))
            if name in factors:
                found[name] = tf.cast(x, tf.float32) * (divisor * factors[name])
        return next(iter(found.values())) if len(factors) == 1 else list(found.values())

    return features


def _convolutions(network: str, names: list[str], folder: Path) -> Convolutions:
    """Kernels and biases of the layers `names` that have any, from the file that the environment names or from Keras's own."""
    variable = f"SRGAN_{network.upper()}"
    local = os.environ.get(variable)
    if local and not Path(local).is_file():
        raise SRGANError(f"{variable} names {local}, which is not a file.")
    wanted = [name for name in names if not name.endswith("pool")]
    if local and local.endswith(".npz"):
        return _from_arrays(network, wanted, Path(local))
    return convolutions_of(_load(network, local, folder), wanted)


def convolutions_of(network: keras.Model, names: list[str]) -> Convolutions:
    """Kernels and biases of those of the layers `names` that have any."""
    return {name: tuple(network.get_layer(name).get_weights()) for name in names if network.get_layer(name).weights}


def _load(network: str, local: str | None, folder: Path) -> keras.Model:
    """The network with the weights of the file `local`, or with Keras's own."""
    advice = f'Or name a file: SRGAN_{network.upper()}=FILE. Or train on pixels instead: content = "pixels".'
    try:
        path = local or fetch(_KERAS[network], folder)
        with precision.policy("float32"):
            return _NETWORKS[network](include_top=False, weights=str(path))
    except SRGANError as error:
        raise SRGANError(f"{error} {advice}") from error
    except Exception as error:  # Keras raises whatever h5py raised
        raise SRGANError(f"The weights of {network.upper()} could not be loaded from {path} ({error}). {advice}") from error


def _from_arrays(network: str, wanted: list[str], path: Path) -> Convolutions:
    """From an .npz file, as wide as its arrays are."""
    found = {}
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for name in wanted:
                stored = name.replace("block", "conv").replace("_conv", "_")  # block1_conv2: conv1_2, or conv12
                stored = stored if f"{stored}.weight" in arrays else stored.replace("_", "")
                found[name] = arrays[f"{stored}.weight"].transpose(2, 3, 1, 0), arrays[f"{stored}.bias"]
    except Exception as error:  # of a damaged file NumPy and zipfile raise many kinds
        raise SRGANError(f"{path} does not hold {network.upper()} up to {wanted[-1]} ({error}).") from error
    return found
