"""Every method on every test set: PSNR and SSIM per image and mean, kept as results.json."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from srgan.config import STAGES, Config
from srgan.data import images, media, preparation
from srgan.data.catalogue import BENCHMARKS
from srgan.data.dataset import Dataset
from srgan.errors import SRGANError
from srgan.results import metrics, published
from srgan.results.tables import Table, bold_if
from srgan.runs import machine, weights
from srgan.runs.outside import NUMBER, TEXT, Damaged, Kind, read_json, whole
from srgan.runs.paths import Paths, write_json
from srgan.upscale import ensemble, network

NOTEBOOKS = {"srresnet": "02", "srgan": "03"}  # that make the weights
METHODS = {"nearest": "nearest", "bicubic": "bicubic"} | STAGES  # key -> name shown
HELD_OUT = "held-out"  # the test photos of the run's own data set


def nearest_to_one(values: Iterable, key: Callable) -> float | None:
    return min(values, key=lambda value: abs(key(value) - 1))


class Measure(NamedTuple):
    """One number for a picture: how it is taken, shown and compared."""

    function: Callable[[np.ndarray, np.ndarray], float]  # (HR, SR), both (H, W, 3) uint8
    heading: str  # of its column
    about: str  # what results.json says of it
    decimals: int  # shown
    best: Callable = max  # of several values: max, min or nearest_to_one


# A new measure is one line here: tables, results.json, the report and notebook 05 then have it.
MEASURES = {
    "psnr_y": Measure(metrics.psnr_y, "PSNR-Y, dB", "PSNR of luma, dB; null: infinite, as the image equals HR", 2),
    "ssim_y": Measure(metrics.ssim_y, "SSIM-Y", "SSIM of luma, Gaussian window 11x11, sigma 1.5", 4),
    "ssim_y_uniform": Measure(metrics.ssim_y_uniform, "SSIM-Y 7x7", "SSIM of luma, uniform window 7x7", 4),
    "psnr_rgb": Measure(
        metrics.psnr_rgb, "PSNR-RGB, dB", "PSNR of red, green and blue together, dB; null: infinite, as the image equals HR", 2
    ),
    "detail": Measure(metrics.detail, "detail", "fine detail of luma against HR's; 1: as much", 2, nearest_to_one),
}
PERCEPTUAL = "detail"  # the one that stands nearest to what people see
CUSTOMARY = ("psnr_y", "ssim_y")  # the measures that most papers give

TestImage = tuple[str, np.ndarray, np.ndarray]  # name, LR (h, w, 3), HR (4 h, 4 w, 3), uint8


def upscalers(config: Config, paths: Paths) -> dict[str, network.Upscaler]:
    """The classic filters and the run's networks, by key.

    Raises SRGANError if a stage's weights are missing: which notebook makes them.
    """
    methods = {"nearest": network.nearest, "bicubic": network.bicubic}
    for stage in config.generator_stages:
        if not paths.weights(stage).is_file():
            raise SRGANError(f"{paths.model} has no {METHODS[stage]} weights yet: run notebook {NOTEBOOKS[stage]} first.")
        methods[stage] = network.load(paths.weights(stage))
    return methods


def held_out(dataset: Dataset) -> Iterator[TestImage]:
    """The photos of the run's data set that were never trained on."""
    for i, name in enumerate(dataset.test.names()):
        yield name, *dataset.test.pair(i)


def benchmark_folders(paths: Paths) -> dict[str, Path]:
    """The benchmarks that are there, {Set5,Set14,BSD100,Urban100}/{HR,LR_x4} under $SRGAN_BENCHMARKS or data/benchmarks.

    Raises SRGANError if SRGAN_BENCHMARKS names a folder that holds none.
    """
    named = os.environ.get("SRGAN_BENCHMARKS")
    root = Path(named) if named else paths.data / "benchmarks"
    found = {name: root / name for name in BENCHMARKS if (root / name / "HR").is_dir() and (root / name / "LR_x4").is_dir()}
    if named and not found:
        raise SRGANError(f"SRGAN_BENCHMARKS names {root}, which has none of {', '.join(BENCHMARKS)} with HR and LR_x4 in it.")
    return found


def benchmark(folder: Path) -> Iterator[TestImage]:
    """The pairs of one benchmark: its stored LR, and HR cut to 4 times its size (the published protocol)."""
    for hr_path in _hr_paths(folder):
        lr_path = folder / "LR_x4" / hr_path.name
        lr, hr = images.read_image(lr_path), images.crop_to_scale(images.read_image(hr_path))
        if hr.shape[:2] != (4 * lr.shape[0], 4 * lr.shape[1]):
            raise SRGANError(f"{lr_path} is {lr.shape[1]}x{lr.shape[0]}, not a quarter of {hr_path}, {hr.shape[1]}x{hr.shape[0]}.")
        yield hr_path.stem, lr, hr


def _hr_paths(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "HR").iterdir() if path.suffix.lower() in media.PICTURES)


def measure(test_images: Iterator[TestImage], methods: dict[str, network.Upscaler]) -> dict[str, dict[str, dict]]:
    """What MEASURES names of each method on each image: {method: {image: {measure: number}}}.

    An infinite PSNR is None: JSON knows no infinity.
    """
    measured: dict[str, dict[str, dict]] = {method: {} for method in methods}
    for name, lr, hr in test_images:
        for method, upscaler in methods.items():
            sr = upscaler(lr)
            values = {key: measure.function(hr, sr) for key, measure in MEASURES.items()}
            measured[method][name] = {key: value if math.isfinite(value) else None for key, value in values.items()}
    return measured


def mean(per_image: dict[str, dict]) -> dict[str, float | None]:
    """The means over the images, None where one is infinite, and how many they are."""
    means: dict[str, float | None] = {}
    for key in MEASURES:
        values = [measured[key] for measured in per_image.values()]
        means[key] = None if None in values else round(float(np.mean(values)), MEASURES[key].decimals + 1)
    return means | {"images": len(per_image)}


def test_sets(dataset: Dataset, folders: dict[str, Path]) -> dict[str, Iterator[TestImage]]:
    """The held-out photos, and the benchmarks in `folders`, by the name of the set."""
    return {HELD_OUT: held_out(dataset)} | {name: benchmark(folder) for name, folder in folders.items()}


def evaluate(config: Config, paths: Paths) -> dict:
    """Measure all methods on the held-out photos and the benchmarks; write and return results.json.

    {"sets": {SET: {METHOD: {MEASURE: number, "images": count}}}, "measures" (what each is), "per_image", "preset",
    "commit", "machine", "seconds" (of training, both stages), "steps", "weights" (sha256), "inputs", "versions"}. If the
    file there is of the same weights, images and measures it is returned as it is.
    """
    dataset = preparation.prepare(config, paths, ensemble.teacher(config))
    methods, folders = upscalers(config, paths), benchmark_folders(paths)
    cards = {stage: weights.card(paths.weights(stage)) for stage in config.generator_stages}
    made_of = {
        "measures": {key: measure.about for key, measure in MEASURES.items()},
        "weights": {stage: card["sha256"] for stage, card in cards.items()},
        "inputs": _inputs(dataset, folders),
    }
    path = paths.output / "results.json"
    earlier = _read_results(path)
    if all(earlier.get(key) == value for key, value in made_of.items()):
        return earlier

    counts = {HELD_OUT: len(dataset.test)} | {name: len(_hr_paths(folder)) for name, folder in folders.items()}
    per_image = {
        name: measure(tqdm(pairs, total=counts[name], desc=f"measuring {name}", unit="image", disable=None), methods)
        for name, pairs in test_sets(dataset, folders).items()
    }
    results = made_of | {
        "sets": {name: {method: mean(values) for method, values in by.items()} for name, by in per_image.items()},
        "preset": config.run.preset,
        "commit": machine.commit(),
        "machine": machine.describe(),
        "seconds": round(sum(card["seconds"] for card in cards.values())),
        "steps": {stage: card["step"] for stage, card in cards.items()},
        "versions": machine.versions(),
        "per_image": per_image,
    }
    write_json(path, results)
    return results


def _inputs(dataset: Dataset, folders: dict[str, Path]) -> dict[str, str]:
    """What each set is, in short: the data set's key, and a hash of names and sizes of a benchmark's files."""
    inputs = {HELD_OUT: dataset.key}
    for name, folder in folders.items():
        files = sorted(path for side in ("HR", "LR_x4") for path in (folder / side).iterdir())
        listing = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in files]
        inputs[name] = hashlib.sha256(json.dumps(listing).encode()).hexdigest()[:10]
    return inputs


_SCORE = Kind("a number or null", lambda value: value is None or NUMBER.test(value))
RESULTS = {  # of results.json
    "sets": {...: {...: {"images": whole(), ...: _SCORE}}},
    "steps": {...: whole()},
    "seconds": NUMBER,
    "machine": TEXT,
    "commit": TEXT,
}


def _read_results(path: Path) -> dict:
    """Earlier results; nothing if there are none, or if they are damaged."""
    try:
        return read_json(path, RESULTS)
    except (Damaged, OSError):
        return {}


def table(results: dict, measures: tuple[str, ...] = CUSTOMARY) -> Table:
    """The means, one row for each set and method, the best that was measured on each set in bold.

    After the rows of a benchmark stand published ones, marked as such; a note below the table names their source.
    """
    everywhere = [values.keys() for by_method in results["sets"].values() for values in by_method.values()]
    measures = tuple(key for key in measures if all(key in keys for keys in everywhere))  # older results have fewer
    rows = []
    for name, by_method in results["sets"].items():
        best = {key: MEASURES[key].best((values[key] for values in by_method.values()), key=_order) for key in measures}
        for method, values in by_method.items():
            cells = (bold_if(values[key] == best[key], shown(key, values[key])) for key in measures)
            rows.append((f"{name} ({values['images']})", METHODS.get(method, method), *cells))
        for method, values in published.NUMBERS.get(name, {}).items():
            cells = (shown(key, values[key]) if key in values else "" for key in measures)
            rows.append((f"{name} ({published.IMAGES[name]})", f"{method}, published", *cells))
    note = published.SOURCE if published.NUMBERS.keys() & results["sets"].keys() else ""
    return Table(("set (images)", "method", *(MEASURES[key].heading for key in measures)), rows, note)


def per_image_table(results: dict, name: str, measure: str = "psnr_y", most: int = 20) -> Table:
    """One measure of each method on the first `most` images of the set `name`."""
    by_method = results["per_image"][name]
    images_shown = list(by_method["bicubic"])[:most]
    rows = ((image, *(shown(measure, values[image][measure]) for values in by_method.values())) for image in images_shown)
    return Table((f"{name}: {MEASURES[measure].heading}", *(METHODS[method] for method in by_method)), rows)


def shown(measure: str, value: float | None) -> str:
    """A number of `measure` as tables show it; None is infinite."""
    return "∞" if value is None else f"{value:.{MEASURES[measure].decimals}f}"


def _order(value: float | None) -> float:
    return math.inf if value is None else value
