"""What a training leaves behind as it goes: checkpoints, weights and sample strips."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from srgan.config import Config
from srgan.data import images
from srgan.data.dataset import Dataset
from srgan.errors import SRGANError
from srgan.results import metrics
from srgan.runs import checkpoints, machine, weights
from srgan.runs.paths import Paths
from srgan.train.state import State


def save(config: Config, paths: Paths, state: State, dataset: Dataset) -> Path:
    """Write checkpoint and weights of `state`; returns the checkpoint's path."""
    about = _card(config, state, dataset)
    everything = about | {
        "history": state.history,
        "window": state.window,
        "config": config.flat(),
        "data": dataset.key,
        "versions": machine.versions(),
    }
    arrays = {name: variable.numpy() for name, variable in state.variables().items()}
    keep = config.keeping.keep_checkpoints, config.keeping.keep_hourly, config.keeping.keep_best
    path = checkpoints.save(paths.checkpoints, arrays, everything, *keep)
    if state.stage in config.generator_stages:
        weights.save(paths.weights(state.stage), state.generator, config, about)
    return path


def _card(config: Config, state: State, dataset: Dataset) -> dict:
    """What weights and checkpoints both say of themselves."""
    return {
        "preset": config.run.preset,
        "stage": state.stage,
        "step": state.step,
        "seconds": round(state.seconds, 1),
        "settings": config.differing(),
        "before": state.before,
        "machine": machine.describe(),
        "metrics": held_out_metrics(state, dataset),
        "saved": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "commit": machine.commit(),
    }


def export_if_missing(config: Config, paths: Paths, state: State, dataset: Dataset) -> None:
    """Write the weights of a finished stage again if they are gone, damaged or of another step."""
    if state.stage not in config.generator_stages:
        return
    try:
        whole = weights.card(paths.weights(state.stage))["step"] == state.step
    except SRGANError:
        whole = False
    if not whole:
        weights.save(paths.weights(state.stage), state.generator, config, _card(config, state, dataset))


def write_sample(path: Path, state: State, dataset: Dataset) -> None:
    """A strip LR | SR | HR of crops of three held-out photos."""
    sheets = [images.strip({"LR": lr, "SR": state.upscale(lr), "HR": hr}, height=256) for lr, hr in held_out_crops(dataset, 3)]
    images.save_png(path, images.stack(sheets))


def held_out_metrics(state: State, dataset: Dataset) -> dict[str, float]:
    """Mean PSNR-Y on crops of held-out photos, few enough to be measured at every save; 100 dB where a crop is met exactly."""
    scores = [min(metrics.psnr_y(hr, state.upscale(lr)), 100.0) for lr, hr in held_out_crops(dataset, 8)]
    return {"psnr_y": round(float(np.mean(scores)), 4), "crops": len(scores)}


def held_out_crops(dataset: Dataset, count: int, size: int = 128) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """LR and HR, uint8, of the middles of the first `count` held-out photos."""
    for i in range(min(count, len(dataset.test))):
        _, hr = dataset.test.pair(i)
        hr = images.centre_crop(hr, min(size, *hr.shape[:2]))
        yield images.degrade(hr), hr
