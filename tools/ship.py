"""The weights that come with the project: brought to model/ with a card that tells how they were made and what they score."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from srgan import presets
from srgan.config import Config
from srgan.errors import SRGANError
from srgan.results import evaluation, metrics
from srgan.results.tables import Table
from srgan.runs import paths, weights
from srgan.upscale import network

BENCHMARKS = ("Set5", "Set14", "BSD100")  # that a card has the scores of
MEASURES = ("psnr_y", "ssim_y", "detail")  # functions of `metrics`


def ship(name: str, source: Path, photos: str, folders: dict[str, Path]) -> Path:
    """Bring the weights at `source` to model/ under `name`, measured on the benchmarks in `folders`; returns their new path.

    `photos`: those that they learned from and their licence, in words. Raises SRGANError for another name than those of
    `weights.SHIPPED`, for weights that are missing or damaged, and if a benchmark of BENCHMARKS is missing.
    """
    if name not in weights.SHIPPED:
        raise SRGANError(f"The weights that come with the project are {', '.join(weights.SHIPPED)}; there is no {name}.")
    missing = [benchmark for benchmark in BENCHMARKS if benchmark not in folders]
    if missing:
        raise SRGANError(f"A card needs scores on {', '.join(missing)}: python -m srgan fetch {' '.join(missing)}")
    card = weights.card(source)
    upscaler = network.load(source)
    scores = {benchmark: _scores(upscaler, folders[benchmark]) for benchmark in BENCHMARKS}
    target = weights.find(name)
    content = source.read_bytes()
    paths.write_atomically(target, lambda temporary: temporary.write_bytes(content))
    told = _told(card) | {"before": [_told(training) for training in card["before"]], "scores": scores, "photos": photos}
    paths.write_json(weights.card_path(target), told | {"network": card["network"], "sha256": card["sha256"]})
    return target


def _scores(upscaler: network.Upscaler, folder: Path) -> dict[str, float]:
    """The means of MEASURES over the benchmark in `folder`, and of how many images."""
    values = []
    for _, lr, hr in evaluation.benchmark(folder):
        sr = upscaler(lr)
        values.append([getattr(metrics, measure)(hr, sr) for measure in MEASURES])
    means = np.mean(values, axis=0).round(4).tolist()
    return dict(zip(MEASURES, means, strict=True)) | {"images": len(values)}


def _told(training: dict) -> dict:
    """What the card says of one training: the command that repeats it, and what it took. Of paths only the last part."""
    settings = {name: _short(name, value) for name, value in training["settings"].items() if name != "run"}
    return {
        "command": command(training["stage"], settings),
        **{key: training[key] for key in ("stage", "step", "seconds", "commit", "machine")},
        "settings": settings,
    }


def _short(name: str, value):
    """The value of a setting without the places of this machine."""
    if name == "dataset" and value.startswith("folder:"):
        return f"folder:{Path(value.removeprefix('folder:')).name}"
    return Path(value).name if name in ("initial", "teacher") else value


def command(stage: str, settings: dict) -> str:
    """The shell's command for a training with `settings` (those that differ from the defaults of `Config`)."""
    preset = settings.get("preset", "custom")
    known = presets.preset(preset).flat() if preset in presets.PRESETS else Config().flat()
    whole = Config().flat() | settings
    words = ["python", "-m", "srgan", "pretrain" if stage == "srresnet" else "train"]
    words += ["--preset", preset] if preset in presets.PRESETS else []
    for name, value in whole.items():
        if name not in ("preset", "run") and value != known[name]:
            words += ["--dataset", value] if name == "dataset" else ["--set", f"{name}={value}"]
    return shlex.join(words)


def table() -> Table:
    """The weights that are there, what they score and what they took."""
    rows = []
    for name, path in weights.shipped().items():
        card, parameters = weights.card(path), weights.load(path).count_params()
        scores = (f"{card['scores'][benchmark]['psnr_y']:.2f}" for benchmark in BENCHMARKS)
        steps, seconds = (sum(training[key] for training in (*card["before"], card)) for key in ("step", "seconds"))
        detail, took = f"{card['scores']['BSD100']['detail']:.2f}", f"{steps:,} steps, {seconds / 3600:.1f} h"
        rows.append((f"`{name}`", f"{parameters:,}", *scores, detail, took))
    return Table(("weights", "parameters", *(f"{name}, dB" for name in BENCHMARKS), "detail on BSD100", "trained"), rows)
