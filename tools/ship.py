"""The weights that come with the project: brought to model/ with a card that tells how they were made and what they score."""

from __future__ import annotations

import shlex
from pathlib import Path

from srgan import presets
from srgan.config import Config
from srgan.errors import SRGANError
from srgan.results import evaluation, measuring
from srgan.results.scores import MEASURES
from srgan.results.tables import Table
from srgan.runs import paths, weights

BENCHMARKS = ("Set5", "Set14", "BSD100")  # that a card has the scores of
LOOKS = "BSD100"  # the one whose measures of looks stand in README
COLUMNS = ("st_lpips", "frechet", "niqe", "grid", "detail")  # of these


def ship(name: str, source: Path, photos: str, folders: dict[str, Path], kept: Path | None = None) -> Path:
    """Bring the weights at `source` to model/ under `name`, measured on the benchmarks in `folders`; returns their new path.

    `photos`: those that they learned from and their licence, in words; empty: as the card at `source` has it, so that weights that
    are there can be measured anew. `kept`: as in `measuring.measure`. Measures whose files are not named are left out. Raises
    SRGANError for another name than those of `weights.SHIPPED`, for weights that are missing or damaged, if a benchmark of
    BENCHMARKS is missing, and without photos.
    """
    if name not in weights.SHIPPED:
        raise SRGANError(f"The weights that come with the project are {', '.join(weights.SHIPPED)}; there is no {name}.")
    missing = [benchmark for benchmark in BENCHMARKS if benchmark not in folders]
    if missing:
        raise SRGANError(f"A card needs scores on {', '.join(missing)}: python -m srgan fetch {' '.join(missing)}")
    card = weights.card(source)
    photos = photos or card.get("photos", "")
    if not photos:
        raise SRGANError(f"{source.name} does not tell what it learned from: --photos TEXT, with the photos and their licence.")
    measured = measuring.measure([str(source)], list(BENCHMARKS), folders, kept)["sets"]
    scores = {each: _numbers(next(iter(measured[each].values()))) for each in BENCHMARKS}
    target = weights.find(name)
    content = source.read_bytes()
    paths.write_atomically(target, lambda temporary: temporary.write_bytes(content))
    told = _told(card) | {"before": [_told(training) for training in card["before"]], "scores": scores, "photos": photos}
    told |= {key: card[key] for key in ("mean_of", "network", "sha256") if key in card}
    paths.write_json(weights.card_path(target), told)
    return target


def _numbers(row: dict) -> dict[str, float]:
    return {key: value for key, value in row.items() if key in (*MEASURES, "images")}


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
    """The weights that are there, what they score and what they took. Measures that no card has have no column."""
    cards = {name: weights.card(path) for name, path in weights.shipped().items()}
    columns = [key for key in COLUMNS if any(key in card["scores"][LOOKS] for card in cards.values())]
    rows = []
    for name, card in cards.items():
        decibels = (f"{card['scores'][benchmark]['psnr_y']:.2f}" for benchmark in BENCHMARKS)
        of_looks = card["scores"][LOOKS]
        looks = (evaluation.shown(key, of_looks[key]) if key in of_looks else "" for key in columns)
        steps, seconds = (sum(training[key] for training in (*card["before"], card)) for key in ("step", "seconds"))
        parameters = weights.load(weights.find(name)).count_params()
        rows.append((f"`{name}`", f"{parameters:,}", *decibels, *looks, f"{steps:,} steps, {seconds / 3600:.1f} h"))
    head = (
        "weights",
        "parameters",
        *(f"{name}, dB" for name in BENCHMARKS),
        *(MEASURES[key].heading for key in columns),
        "trained",
    )
    return Table(head, rows)
