"""The weights that come with the project: brought to model/ with a card that tells how they were made and what they score."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import numpy as np

from srgan import config as configuration
from srgan import evaluation, metrics, paths, upscale, weights
from srgan.config import Config
from srgan.errors import SRGANError

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
    upscaler = upscale.load(source)
    scores = {benchmark: _scores(upscaler, folders[benchmark]) for benchmark in BENCHMARKS}
    trainings = [*card["before"], card]
    target = weights.find(name)
    content = source.read_bytes()
    paths.write_atomically(target, lambda temporary: temporary.write_bytes(content))
    paths.write_json(
        weights.card_path(target),
        {
            "stage": card["stage"],
            "step": sum(training["step"] for training in trainings),
            "seconds": round(sum(training["seconds"] for training in trainings)),
            "trainings": [_told(training) for training in trainings],
            "scores": scores,
            "photos": photos,
            "network": card["network"],
            "sha256": card["sha256"],
        },
    )
    return target


def _scores(upscaler: upscale.Upscaler, folder: Path) -> dict[str, float]:
    """The means of MEASURES over the benchmark in `folder`, and of how many images."""
    values = []
    for _, lr, hr in evaluation.benchmark(folder):
        sr = upscaler(lr)
        values.append([getattr(metrics, measure)(hr, sr) for measure in MEASURES])
    means = np.mean(values, axis=0).round(4).tolist()
    return dict(zip(MEASURES, means, strict=True)) | {"images": len(values)}


def _told(training: dict) -> dict:
    """What the card says of one training: the command that repeats it, and what it took."""
    return {
        "command": command(training["stage"], training["settings"]),
        **{key: training[key] for key in ("stage", "step", "commit", "machine")},
        "hours": round(training["seconds"] / 3600, 2),
    }


def command(stage: str, settings: dict) -> str:
    """The shell's command for a training with `settings` (those that differ from the defaults of `Config`), without the
    places of this machine: of paths only the last part is told."""
    preset = settings.get("preset", "custom")
    known = configuration.preset(preset).to_dict() if preset in configuration.PRESETS else Config().to_dict()
    whole = {field.name: field.default for field in dataclasses.fields(Config)} | settings
    words = ["python", "-m", "srgan", "pretrain" if stage == "srresnet" else "train"]
    words += ["--preset", preset] if preset in configuration.PRESETS else []
    for name, value in whole.items():
        if name in ("preset", "run") or value == known[name]:
            continue
        if name == "dataset":
            words += ["--dataset", "folder:" + Path(value).name if value.startswith("folder:") else value]
        else:
            words += ["--set", f"{name}={Path(value).name if name == 'initial' else value}"]
    return shlex.join(words)


def table() -> str:
    """Markdown: the weights that are there, what they score and what they took."""
    rows = ["| weights | parameters | " + " | ".join(f"{name}, dB" for name in BENCHMARKS) + " | detail on BSD100 | trained |",
            "|---|---|" + "---|" * len(BENCHMARKS) + "---|---|"]  # fmt: skip
    for name in weights.SHIPPED:
        if not weights.find(name).is_file():
            continue
        card, parameters = weights.card(weights.find(name)), weights.load(weights.find(name)).count_params()
        scores = " | ".join(f"{card['scores'][benchmark]['psnr_y']:.2f}" for benchmark in BENCHMARKS)
        took = f"{card['step']:,} steps, {card['seconds'] / 3600:.1f} h"
        rows.append(f"| `{name}` | {parameters:,} | {scores} | {card['scores']['BSD100']['detail']:.2f} | {took} |")
    return "\n".join(rows)
