"""The study of UpSampler (2019): does a network that is trained on a narrow domain win there, and lose elsewhere?

Model A learns a varied domain and Model B a narrow one: the same network, the same steps. Both, and bicubic, are scored on
held-out photos of either domain. Notebook 07 tells the story; `python -m srgan study` runs it at its full size.
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
from srgan.runs.outside import ANYTHING, read_json
from srgan.runs.paths import PROJECT, Paths, write_json
from srgan.upscale import network

PRESETS = {"varied": "coco44", "faces": "celeba44"}  # of the full study: domain -> preset; Model A's comes first
STORED = PROJECT / "docs" / "study.json"  # the results that docs/study.md shows
ROUNDS = 200  # of the bootstrap
# Key: heading, decimals, what is best.
SCORES = {"frechet": (None, 2, min), "psnr_y": ("PSNR-Y, dB", 2, max), "ssim_y": ("SSIM-Y", 4, max)}


def names(domains) -> dict[str, str]:
    """The methods by key: bicubic, and one model for each of the two domains, Model A's first."""
    return {"bicubic": "bicubic"} | {domain: f"Model {letter} ({domain})" for letter, domain in zip("AB", domains, strict=True)}


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


def methods(paths: dict[str, Paths], stage: str = "srgan") -> dict[str, network.Upscaler]:
    """Bicubic and both models, by key; `paths` by domain, Model A's first."""
    return {"bicubic": network.bicubic} | {domain: network.load(each.weights(stage)) for domain, each in paths.items()}


def evaluate(paths: dict[str, Paths], sets: dict[str, list[TestImage]], features: str, folder: Path, stage: str = "srgan") -> dict:
    """Score bicubic, A and B of `stage` on `sets`, both by domain; write and return results.json in `folder`.

    {"features", "sets": {DOMAIN: {METHOD: {"psnr_y", "ssim_y", "frechet", "images"}}}, "differences": {DOMAIN: {MEASURE:
    [of Model B less Model A: mean, and the ends of its 95 % interval]}}, "content": {DOMAIN: mean of the last tenth of the
    model's recorded content losses}, "steps", "seconds", "machine", "commit"}. `features` as in `frechet.compare`.
    """
    upscalers, extract = methods(paths, stage), frechet_features.load(features, next(iter(paths.values())).workdir)
    cards = {domain: weights.card(each.weights(stage)) for domain, each in paths.items()}
    pictures = {domain: _pictures(domain, pairs, upscalers, extract) for domain, pairs in sets.items()}
    results = {
        "features": frechet_features.NAMES[features],
        "sets": {domain: {method: _scores(found) for method, found in by.items()} for domain, by in pictures.items()},
        "differences": {domain: difference(*(by[method] for method in paths)) for domain, by in pictures.items()},
        "content": {domain: _last_loss(each, stage) for domain, each in paths.items()},
        "steps": {domain: card["step"] for domain, card in cards.items()},
        "seconds": {domain: round(card["seconds"]) for domain, card in cards.items()},
        "machine": machine.describe(),
        "commit": machine.commit(),
    }
    write_json(folder / "results.json", results)
    return results


def _pictures(domain: str, pairs: list[TestImage], upscalers: dict, extract: frechet_features.Extractor) -> dict[str, dict]:
    """Of each method on each picture: PSNR and SSIM (N,), and the features (N, D) of HR and of SR."""
    truth = frechet.features((hr for _, _, hr in pairs), extract)
    found = {}
    for key, upscaler in upscalers.items():
        made = [(hr, upscaler(lr)) for _, lr, hr in tqdm(pairs, desc=f"{key} on {domain}", unit="image", disable=None)]
        found[key] = {
            "psnr_y": np.array([metrics.psnr_y(hr, sr) for hr, sr in made]),
            "ssim_y": np.array([metrics.ssim_y(hr, sr) for hr, sr in made]),
            "hr": truth,
            "sr": frechet.features((sr for _, sr in made), extract),
        }
    return found


def _scores(found: dict[str, np.ndarray], chosen=slice(None)) -> dict[str, float]:
    """The scores of one method on the `chosen` pictures."""
    apart = frechet.distance(frechet.fit(found["hr"][chosen]), frechet.fit(found["sr"][chosen]))
    means = {key: round(float(found[key][chosen].mean()), SCORES[key][1] + 1) for key in ("psnr_y", "ssim_y")}
    return means | {"frechet": round(apart, 3), "images": len(found["hr"][chosen])}


def difference(a: dict[str, np.ndarray], b: dict[str, np.ndarray], seed: int = 0) -> dict[str, list[float]]:
    """{score: [B's less A's, and the ends of its 95 % interval by the bootstrap over pictures]}.

    Each round draws as many pictures as there are, with repetition, and the same ones for both models.
    """
    rng, count = np.random.default_rng(seed), len(a["hr"])
    rounds = [rng.integers(0, count, count) for _ in range(ROUNDS)]
    drawn = {key: [] for key in SCORES}
    for chosen in rounds:
        of_a, of_b = _scores(a, chosen), _scores(b, chosen)
        for key in SCORES:
            drawn[key].append(of_b[key] - of_a[key])
    of_a, of_b = _scores(a), _scores(b)
    return {
        key: [round(float(value), 4) for value in (of_b[key] - of_a[key], *np.percentile(drawn[key], (2.5, 97.5)))]
        for key in SCORES
    }


def _last_loss(paths: Paths, stage: str) -> float:
    """The mean of the last tenth of the recorded content losses (of the pixel loss in stage srresnet)."""
    rows = history.read(paths.history(stage))
    if not rows:
        raise SRGANError(f"{paths.history(stage)} has no rows: train both models first.")
    column = "content" if stage == "srgan" else "loss"
    return round(float(np.mean([row[column] for row in rows[-max(len(rows) // 10, 1) :]])), 4)


def table(results: dict) -> Table:
    """The scores, one row for each set and method, the best of each set in bold."""
    shown = names(results["sets"])
    rows = []
    for domain, scores in results["sets"].items():
        best = {key: choose(values[key] for values in scores.values()) for key, (_, _, choose) in SCORES.items()}
        for method, values in scores.items():
            cells = (bold_if(values[key] == best[key], f"{values[key]:.{SCORES[key][1]}f}") for key in SCORES)
            rows.append((f"{domain} ({values['images']} images)", shown[method], *cells))
    return Table(("held-out photos", "method", *(heading or results["features"] for heading, _, _ in SCORES.values())), rows)


def distances(results: dict) -> dict[str, dict[str, float]]:
    """The Fréchet distances for `plots.bars`: {domain and count: {method: distance}}."""
    shown = names(results["sets"])
    return {
        f"{domain}, {scores['bicubic']['images']} images": {shown[key]: values["frechet"] for key, values in scores.items()}
        for domain, scores in results["sets"].items()
    }


def differences_table(results: dict) -> Table:
    """What Model B's scores have over Model A's, with 95 % intervals; bold where the interval does not hold 0."""
    rows = []
    for domain, scores in results["differences"].items():
        cells = []
        for key, (value, low, high) in scores.items():
            digits = SCORES[key][1]
            cells.append(bold_if(low > 0 or high < 0, f"{value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"))
        rows.append((domain, *cells))
    return Table(("held-out photos", *(f"{heading or results['features']}, B - A" for heading, _, _ in SCORES.values())), rows)


def strips(paths: dict[str, Paths], pairs: list[TestImage], count: int, stage: str = "srgan"):
    """Strips LR | bicubic | A | B | HR of `count` photos spread over `pairs`, one below the other, as a PIL image."""
    upscalers, shown = methods(paths, stage), names(paths)
    sheets = []
    for i in np.linspace(0, len(pairs) - 1, min(count, len(pairs))).round().astype(int):
        _, lr, hr = pairs[i]
        made = {shown[key]: upscaler(lr) for key, upscaler in upscalers.items()}
        sheets.append(images.strip({"LR": lr} | made | {"HR": hr}, height=176))
    return images.stack(sheets)


def read(folder: Path) -> dict:
    """The results that `evaluate` wrote into `folder`. Raises SRGANError if there are none."""
    path = folder / "results.json"
    if not path.is_file():
        raise SRGANError(f"There are no results of the study at {path}: run notebook 07 (python -m srgan study) first.")
    return read_json(path, {...: ANYTHING})


def stored() -> dict:
    """The results of a run of the full study that come with the project."""
    return json.loads(STORED.read_text(encoding="utf-8"))
