"""Trained weights to measure inference with. With random ones half precision is refused, and users never have random ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

from srgan.config import Config
from srgan.presets import preset
from srgan.runs import weights
from srgan.runs.paths import PROJECT, Paths

# A fast way to weights that draw pictures: small batches, a high learning rate that goes down to zero.
QUICKLY = {"run": "trained", "batch_size": 4, "pretrain_learning_rate": 1e-3, "pretrain_schedule": "cosine", "warmup_steps": 20,
           "pixel_loss": "mae", "precision": "auto"}  # fmt: skip


def train(config: Config, steps: int, workdir: Path) -> Path:
    """The weights of the generator that `config` describes after `steps` updates on its photos; trained once for a `workdir`."""
    path = Paths(workdir, QUICKLY["run"]).weights("srresnet")
    if not path.is_file():
        known, wanted = preset(config.run.preset).flat(), config.replace(**QUICKLY, pretrain_steps=steps).flat()
        changes = [f"--set={name}={value}" for name, value in wanted.items() if value != known[name]]
        command = [sys.executable, "-m", "srgan", "pretrain", "--preset", config.run.preset, "--workdir", workdir, *changes]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"no weights could be trained: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return path


def arrays_for_torch(network: keras.Model, turned: bool = False) -> list[np.ndarray]:
    """The weights of `network` as PyTorch's twin of it holds them, in the order of its state.

    `turned`: by 180 degrees, so that the twin does the same to images that are turned so.
    """
    arrays = []
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2D):
            arrays += _convolution(layer, turned)
        elif isinstance(layer, keras.layers.Dense):
            kernel, bias = layer.get_weights()
            channels = network.get_layer("leaky8").output.shape[1:] if layer.name == "dense1" else (1, 1, len(kernel))
            kernel = kernel.reshape(*channels, -1)[::-1, ::-1].transpose(3, 2, 0, 1)
            arrays += [kernel.reshape(len(bias), -1), bias]
        else:  # PReLU's slopes (1, 1, C); batch norm's gamma, beta, mean and variance in PyTorch's order
            arrays += [array.ravel() for array in layer.get_weights()]
    return arrays


def _convolution(layer: keras.layers.Conv2D, turned: bool) -> list[np.ndarray]:
    kernel, bias = layer.get_weights()
    if turned:
        kernel = kernel[::-1, ::-1]
    if layer.name.startswith("up"):  # PyTorch's shuffle wants the four places of a channel side by side
        places = np.arange(len(bias)).reshape(4, -1)
        order = (places[::-1] if turned else places).T.ravel()
        kernel, bias = kernel[..., order], bias[order]
    return [kernel.transpose(3, 2, 0, 1), bias]


def save_for_torch(path: Path, target: Path) -> Path:
    """Write the weights at `path` to the .npz `target`, which PyTorch's process can read without TensorFlow."""
    np.savez(target, *arrays_for_torch(weights.load(path)))
    return target
