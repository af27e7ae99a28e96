"""The study of UpSampler (2019): does a network that is trained on a narrow domain win there, and lose elsewhere?

Model A learns varied photos and Model B faces: the same network, the same steps. Both, and bicubic, are scored on
held-out photos of either domain. Notebook 07 tells the story; `python -m srgan study` runs it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from srgan.data import images, sources
from srgan.data.dataset import Dataset
from srgan.errors import SRGANError
from srgan.results import evaluation, frechet, frechet_features, metrics
from srgan.results.evaluation import TestImage
from srgan.results.tables import Table, bold_if
from srgan.runs import history, machine, weights
from srgan.runs.paths import Paths, write_json
from srgan.upscale import network

PRESETS = {"varied": "coco44", "faces": "celeba44"}  # domain -> preset
METHODS = {"bicubic": "bicubic", "varied": "Model A (varied)", "faces": "Model B (faces)"}


def held_out(dataset: Dataset, instead: str = "") -> list[TestImage]:
    """The held-out photos of `dataset`; or the centre crops of all photos of the data set that `instead` names."""
    if not instead:
        return list(evaluation.held_out(dataset))
    size = dataset.manifest["settings"]["hr_size"]
    found = []
    for photo in sources.photos(instead):
        hr = images.centre_crop(images.read_image(photo.path), size)
        found.append((photo.name, images.degrade(hr), hr))
    return found


def methods(paths: dict[str, Paths]) -> dict[str, network.Upscaler]:
    """Bicubic and both models, by key."""
    return {"bicubic": network.bicubic} | {domain: network.load(paths[domain].weights("srgan")) for domain in PRESETS}


def evaluate(paths: dict[str, Paths], sets: dict[str, list[TestImage]], features: str, folder: Path) -> dict:
    """Score bicubic, A and B on `sets` (by domain); write and return results.json in `folder`.

    {"features", "sets": {DOMAIN: {METHOD: {"psnr_y", "ssim_y", "frechet", "images"}}}, "content": {DOMAIN: mean of the
    last tenth of the model's recorded content losses}, "steps", "seconds", "machine", "commit"}. `features` as in
    `frechet.compare`.
    """
    upscalers, extract = methods(paths), frechet_features.load(features, paths["varied"].workdir)
    cards = {domain: weights.card(paths[domain].weights("srgan")) for domain in PRESETS}
    results = {
        "features": frechet_features.NAMES[features],
        "sets": {domain: _score(domain, pairs, upscalers, extract) for domain, pairs in sets.items()},
        "content": {domain: _last_content(paths[domain]) for domain in PRESETS},
        "steps": {domain: card["step"] for domain, card in cards.items()},
        "seconds": {domain: round(card["seconds"]) for domain, card in cards.items()},
        "machine": machine.describe(),
        "commit": machine.commit(),
    }
    write_json(folder / "results.json", results)
    return results


def _score(domain: str, pairs: list[TestImage], upscalers: dict, extract: frechet_features.Extractor) -> dict[str, dict]:
    truth = frechet.gaussian((hr for _, _, hr in pairs), extract)
    scores = {}
    for key, upscaler in upscalers.items():
        bar = tqdm(pairs, desc=f"{METHODS[key]} on {domain}", unit="image", disable=None)
        made = [(hr, upscaler(lr)) for _, lr, hr in bar]
        scores[key] = {
            "psnr_y": round(float(np.mean([metrics.psnr_y(hr, sr) for hr, sr in made])), 3),
            "ssim_y": round(float(np.mean([metrics.ssim_y(hr, sr) for hr, sr in made])), 4),
            "frechet": round(frechet.distance(truth, frechet.gaussian((sr for _, sr in made), extract)), 3),
            "images": len(made),
        }
    return scores


def _last_content(paths: Paths) -> float:
    rows = history.read(paths.history("srgan"))
    if not rows:
        raise SRGANError(f"{paths.history('srgan')} has no rows: train both models first.")
    return round(float(np.mean([row["content"] for row in rows[-max(len(rows) // 10, 1) :]])), 4)


def table(results: dict) -> Table:
    """The scores, one row for each set and method, the best of each set in bold."""
    measures = {
        "frechet": (results["features"], "{:.2f}", min),
        "psnr_y": ("PSNR-Y, dB", "{:.2f}", max),
        "ssim_y": ("SSIM-Y", "{:.4f}", max),
    }
    rows = []
    for domain, scores in results["sets"].items():
        best = {key: choose(values[key] for values in scores.values()) for key, (_, _, choose) in measures.items()}
        for method, values in scores.items():
            cells = (bold_if(values[key] == best[key], form.format(values[key])) for key, (_, form, _) in measures.items())
            rows.append((f"{domain} ({values['images']} images)", METHODS[method], *cells))
    return Table(("held-out photos", "method", *(name for name, _, _ in measures.values())), rows)


def strips(paths: dict[str, Paths], pairs: list[TestImage], count: int):
    """Strips LR | bicubic | A | B | HR of `count` photos spread over `pairs`, one below the other, as a PIL image."""
    upscalers = methods(paths)
    sheets = []
    for i in np.linspace(0, len(pairs) - 1, min(count, len(pairs))).round().astype(int):
        _, lr, hr = pairs[i]
        shown = {METHODS[key]: upscaler(lr) for key, upscaler in upscalers.items()}
        sheets.append(images.strip({"LR": lr} | shown | {"HR": hr}, height=176))
    return images.stack(sheets)


def read(folder: Path) -> dict:
    """The results that `evaluate` wrote into `folder`. Raises SRGANError if there are none."""
    path = folder / "results.json"
    if not path.is_file():
        raise SRGANError(f"There are no results of the study at {path}: run notebook 07 (python -m srgan study) first.")
    return json.loads(path.read_text(encoding="utf-8"))
