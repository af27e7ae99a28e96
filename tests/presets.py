"""Every preset for a few steps on the sample photos, at its full size but for the batch.

python -m tests.presets [--steps 2] [--batch-size 2] [--only blog25]

Where VGG weights are not given by SRGAN_VGG19 and SRGAN_VGG16, random ones stand in for them, and it says so.
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
import tensorflow as tf

from srgan import presets
from srgan.config import Config
from srgan.models import lpips
from srgan.runs import history
from srgan.runs.paths import Paths
from srgan.runs.progress import Progress
from srgan.train import perceptual_features as features
from srgan.train import training


@contextlib.contextmanager
def random_features() -> Iterator[None]:
    """VGG16 and VGG19 with random weights, but for those that the environment gives as files."""
    load = features._load

    def stand_in(network: str, local: str | None, folder: Path) -> keras.Model:
        if local:
            return load(network, local, folder)
        print(f"  {network.upper()} has RANDOM weights here: its content loss means nothing.")
        keras.utils.set_random_seed(0)
        return features._NETWORKS[network](include_top=False, weights=None)

    def depths(trunk: str, dtype: str):
        print("  LPIPS has no weights here: the pixels of smaller copies stand in for its features.")
        copies = lambda images: [tf.nn.avg_pool2d(images, side, side, "SAME") for side in (1, 2, 4)]  # noqa: E731
        return lambda images: lpips.Seen(copies(images), copies(images))

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(features, "_load", stand_in))
        if not os.environ.get(lpips.VARIABLES["vgg16"]):
            stack.enter_context(mock.patch.object(lpips, "load", depths))
        yield


def few_steps(name: str, steps: int, **changes) -> Config:
    """The preset on the sample photos, each of its stages for so many steps."""
    config = presets.preset(name, dataset="samples", log_every=1, sample_every=steps, **changes)
    return config.replace(**{
        name: min(config.flat()[name], steps) for name in ("pretrain_steps", "discriminator_steps", "gan_steps")
    })  # fmt: skip


def run(config: Config, workdir: Path) -> dict[str, list[dict[str, float]]]:
    """Train all stages of `config`; their loss histories."""
    paths = Paths(workdir, config.name)
    for stage in config.stages:
        training.fit(config, paths, stage, Progress())
    return {stage: history.read(paths.history(stage)) for stage in config.stages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--only", choices=presets.PRESETS)
    options = parser.parse_args()
    for name in [options.only] if options.only else presets.PRESETS:
        print(f"{name}:")
        with tempfile.TemporaryDirectory() as workdir, random_features():
            for stage, rows in run(few_steps(name, options.steps, batch_size=options.batch_size), Path(workdir)).items():
                last = ", ".join(f"{column} {value:.4g}" for column, value in rows[-1].items())
                print(f"  {stage}: {last}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
