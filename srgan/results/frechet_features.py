"""The networks whose features a Fréchet distance compares.

Inception of 2015 for FID, MobileNet where that cannot be had, and our own small generator where nothing may be downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from srgan.data.fetch import RemoteFile, fault, fetch
from srgan.errors import SRGANError
from srgan.models import precision
from srgan.runs import weights

NAMES = {
    "inception": "FID",
    "mobilenet": "Frechet distance (MobileNet v1 0.75)",
    "fast": "Frechet distance (trunk of `fast`)",
}
Extractor = Callable[[np.ndarray], np.ndarray]  # (B, H, W, 3) uint8 -> (B, D) float32

# Where the evaluation suite of guided diffusion keeps it (the sha256 is the one that others who use it publish), and where
# it came from: an archive that holds it, for which nobody gives a checksum.
INCEPTION = RemoteFile(
    "classify_image_graph_def.pb",
    ("https://openaipublic.blob.core.windows.net/diffusion/jul-2021/ref_batches/classify_image_graph_def.pb",),
    95_673_916,
    "sha256:009d6814d1bc560d4e7b236e170e9b2d5ca6f4b57bd8037f6db05776204415c6",
)
INCEPTION_ARCHIVE = "http://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz"


def load(features: str, workdir: Path) -> Extractor:
    """The extractor "inception", "mobilenet" or "fast".

    The graph of Inception is the file that SRGAN_INCEPTION names, or the one in `workdir`/data/features, fetched into it
    where it is not there yet. The weights of MobileNet are the .npz that SRGAN_MOBILENET names, or else Keras's own,
    downloaded once. Raises SRGANError if they cannot be had.
    """
    if features not in NAMES:
        raise SRGANError(f'There are no features "{features}"; choose one of: {", ".join(NAMES)}.')
    if features == "fast":
        return trunk_of_fast()
    return inception(inception_file(workdir)) if features == "inception" else mobilenet(os.environ.get("SRGAN_MOBILENET"))


def trunk_of_fast() -> Extractor:
    """How strongly each of the 32 channels before the enlargement answers, of the network `fast` that comes with the project.

    It knows edges and textures and no objects, so its distance says little of what a picture shows; but nothing is downloaded.
    """
    generator = weights.load(weights.find("fast"))
    trunk = keras.Model(generator.input, generator.get_layer("trunk_add").output)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])
    def features(pictures):
        return 100 * tf.reduce_mean(tf.abs(trunk(pictures / 255.0, training=False)), (1, 2))  # numbers with a few digits

    return lambda pictures: features(pictures.astype(np.float32)).numpy()


def inception(path: Path) -> Extractor:
    """The features `pool_3` (2048) of the frozen graph at `path`, for images of any size: the graph resizes them itself.

    They go in behind the graph's JPEG decoder, 0-255 RGB, as in the FID of Heusel et al. 2017.
    """
    graph_def = tf.compat.v1.GraphDef()
    graph_def.ParseFromString(path.read_bytes())
    # A session and no tf.function: the graph's batch norms are of a kind that only runs under a graph's own old version.
    with tf.Graph().as_default() as graph:
        fed = tf.compat.v1.placeholder(tf.float32, (None, None, None, 3))
        (pool,) = tf.graph_util.import_graph_def(graph_def, input_map={"ExpandDims:0": fed}, return_elements=["pool_3:0"], name="")
    session = tf.compat.v1.Session(graph=graph)
    return lambda pictures: session.run(pool, {fed: pictures}).reshape(len(pictures), -1)


def inception_file(workdir: Path) -> Path:
    """The graph's file, fetched where it is not there. Raises SRGANError if it cannot be had or is another one."""
    named = os.environ.get("SRGAN_INCEPTION")
    if not named:
        try:
            return fetch(INCEPTION, workdir / "data" / "features")
        except SRGANError as error:
            raise SRGANError(
                f"{error} It is also in {INCEPTION_ARCHIVE}. Or name the file: SRGAN_INCEPTION=FILE. Or take the features of "
                "another network, which give a distance of another name: mobilenet."
            ) from error
    path = Path(named).expanduser()
    if not path.is_file():
        raise SRGANError(f"SRGAN_INCEPTION names {named}, which is not a file.")
    complaint = fault(path, INCEPTION)
    if complaint:
        raise SRGANError(
            f"{path} is not the Inception graph of 2015, {INCEPTION.name} ({complaint}), and only that one's distance is called "
            "FID. Name the right one: SRGAN_INCEPTION=FILE."
        )
    return path


def mobilenet(weights: str | os.PathLike | None) -> Extractor:
    """The 768 averages of the last layer of MobileNet v1 0.75, for images of any size, resized to 224x224 (antialiased).

    `weights`: an .npz with the arrays LAYER/VARIABLE of Keras's network, or None for Keras's own weights for ImageNet.
    """
    network = _mobilenet_network(weights)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])
    def features(pictures):
        resized = tf.image.resize(pictures, (224, 224), antialias=True)
        return network(resized / 127.5 - 1.0, training=False)

    return lambda pictures: features(pictures.astype(np.float32)).numpy()


def _mobilenet_network(weights: str | os.PathLike | None) -> keras.Model:
    """MobileNet v1 0.75 in float32. Raises SRGANError if its weights cannot be had."""
    try:
        with precision.policy("float32"):
            network = keras.applications.MobileNet(
                (224, 224, 3), alpha=0.75, include_top=False, pooling="avg", weights=None if weights else "imagenet"
            )
        if weights:
            with np.load(weights) as arrays:
                for layer in network.layers:
                    layer.set_weights([arrays[_array_name(layer, variable)] for variable in layer.weights])
    except Exception as error:  # Keras raises whatever urllib or h5py raised, NumPy what zipfile did
        raise SRGANError(
            f"The ImageNet weights of MobileNet v1 0.75 could not be loaded from {weights or 'the network'} ({error}). "
            "Check the connection, or name an .npz with its arrays: SRGAN_MOBILENET=FILE."
        ) from error
    return network


def _array_name(layer: keras.Layer, variable: keras.Variable) -> str:
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D) and variable.name == "kernel"
    return f"{layer.name}/{'depthwise_kernel' if depthwise else variable.name}"
