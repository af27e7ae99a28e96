"""What a training leaves behind that it can go on from and that others use: checkpoints and weights, each with its card."""

from __future__ import annotations

import datetime
from pathlib import Path

from srgan.config import Config
from srgan.data.dataset import Dataset
from srgan.errors import SRGANError
from srgan.runs import checkpoints, machine, weights
from srgan.runs.paths import Paths
from srgan.train import held_out
from srgan.train.state import State
from srgan.upscale.network import Upscaler


def save(config: Config, paths: Paths, state: State, dataset: Dataset, upscaler: Upscaler) -> Path:
    """Write checkpoint and weights of `state`; returns the checkpoint's path. `upscaler`: by the state's result."""
    card = _card(config, state, held_out.score(upscaler, dataset))
    everything = card | {
        "history": state.history,
        "window": state.window,
        "line": state.line,
        "config": config.flat(),
        "data": dataset.key,
        "versions": machine.versions(),
    }
    arrays = {name: variable.numpy() for name, variable in state.variables().items()}
    keeping = config.keeping
    keep = keeping.keep_checkpoints, keeping.keep_hourly, keeping.keep_best
    path = checkpoints.save(paths.checkpoints, arrays, everything, *keep)
    if state.stage in config.generator_stages:
        weights.save(paths.weights(state.stage), state.result, config, card)
    return path


def _card(config: Config, state: State, score: dict) -> dict:
    """What weights and checkpoints both say of themselves."""
    return {
        "preset": config.run.preset,
        "stage": state.stage,
        "step": state.step,
        "seconds": round(state.seconds, 1),
        "settings": config.differing(),
        "before": state.provenance,
        "machine": machine.describe(),
        "metrics": score,
        "saved": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "commit": machine.commit(),
    }


def export_if_missing(config: Config, paths: Paths, state: State, dataset: Dataset, upscaler: Upscaler) -> None:
    """Write the weights of a finished stage again if they are gone, damaged or of another step."""
    if state.stage not in config.generator_stages:
        return
    try:
        whole = weights.card(paths.weights(state.stage))["step"] == state.step
    except SRGANError:
        whole = False
    if not whole:
        weights.save(paths.weights(state.stage), state.result, config, _card(config, state, held_out.score(upscaler, dataset)))
