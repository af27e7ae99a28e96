"""The preset "quick" trained with this project's fast layers and with Keras's own: do the numbers suffer?

python -m tests.stock [--steps 3000]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import keras
import numpy as np

from srgan import presets
from srgan.data import preparation
from srgan.models import networks as models
from srgan.results import evaluation, metrics
from srgan.runs.paths import Paths
from srgan.runs.progress import Progress
from srgan.train import training
from srgan.upscale import network


@contextlib.contextmanager
def stock_layers() -> Iterator[None]:
    """Networks are built of Keras's own layers."""
    layers = {
        "PReLU": keras.layers.PReLU,
        "BatchNormalization": keras.layers.BatchNormalization,
        "PhasedConv2D": keras.layers.Conv2D,
    }
    with contextlib.ExitStack() as stack:
        for name, layer in layers.items():
            stack.enter_context(mock.patch.object(models, name, layer))
        yield


def trained(steps: int, workdir: Path) -> float:
    """Mean PSNR-Y in dB on the held-out sample photos after stage srresnet."""
    config = presets.preset("quick", pretrain_steps=steps)
    paths = Paths(workdir, config.name)
    state = training.fit(config, paths, "srresnet", Progress())
    pairs = evaluation.held_out(preparation.prepare(config, paths))
    return float(np.mean([metrics.psnr_y(hr, network.network(state.generator)(lr)) for _, lr, hr in pairs]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=presets.preset("quick").pretrain_steps)
    steps = parser.parse_args().steps
    found = {}
    for name, layers in (("fast layers", contextlib.nullcontext()), ("stock layers", stock_layers())):
        with layers, tempfile.TemporaryDirectory() as workdir:
            found[name] = trained(steps, Path(workdir))
    print("\n".join(f"{name}: {psnr:.3f} dB" for name, psnr in found.items()))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
