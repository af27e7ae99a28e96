"""Every method on every test set: all measures per image and mean, kept as results.json."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from srgan.config import STAGES, Config
from srgan.data import images, media, preparation, sources
from srgan.data.catalogue import BENCHMARKS
from srgan.data.dataset import Dataset
from srgan.errors import SRGANError
from srgan.results import published, scores
from srgan.results.scores import HR, MEASURES, Judge, mean
from srgan.results.tables import Table, bold_if
from srgan.runs import machine, weights
from srgan.runs.outside import NUMBER, TEXT, Damaged, Kind, read_json, whole
from srgan.runs.paths import Paths, write_json
from srgan.upscale import ensemble, network

NOTEBOOKS = {"srresnet": "02", "srgan": "03"}  # that make the weights
METHODS = {"nearest": "nearest", "bicubic": "bicubic"} | STAGES  # key -> name shown
HELD_OUT = "held-out"  # the test photos of the run's own data set

# Measures that tables show unless others are asked for; those that were not taken have no column.
SHOWN = ("psnr_y", "ssim_y", "st_lpips", "lpips", "frechet", "niqe", "grid", "detail")
PERCEPTUAL = ("st_lpips", "lpips", "detail")  # that stand near to what people see, the nearest first

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


def measure(
    test_images: Iterator[TestImage], methods: dict[str, network.Upscaler], judge: Judge | None = None
) -> tuple[dict[str, dict[str, dict]], dict[str, dict]]:
    """What MEASURES names of each method, and in the row "HR" what HR has of its own: per image, and the means over the set.

    ({method: {image: {measure: number}}}, {method: {measure: number, "images": count}}).
    """
    judge = judge or Judge()
    per_image: dict[str, dict[str, dict]] = {name: {} for name in (*methods, HR)}
    features: dict[str, list[np.ndarray]] = {name: [] for name in per_image}
    for name, lr, hr in test_images:
        for method, upscaler in methods.items():
            sr = upscaler(lr)
            per_image[method][name] = judge.of_image(hr, sr)
            features[method] += judge.features(sr)
        per_image[HR][name] = judge.of_hr(hr)
        features[HR] += judge.features(hr)
    means = {method: mean(values) for method, values in per_image.items()}
    for method, distance in scores.frechet_distances(features).items():
        means[method]["frechet"] = distance
    return per_image, means


def samples() -> Iterator[TestImage]:
    """The photos that lie in installed packages, shrunk by bicubic. None of the weights that come with the project saw them."""
    for photo in sources.photos("samples"):
        hr = images.crop_to_scale(images.read_image(photo.path))
        yield photo.name, images.degrade(hr), hr


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
    methods, folders, judge = upscalers(config, paths), benchmark_folders(paths), Judge()
    cards = {stage: weights.card(paths.weights(stage)) for stage in config.generator_stages}
    made_of = {
        "measures": {key: MEASURES[key].about for key in judge.keys},
        "weights": {stage: card["sha256"] for stage, card in cards.items()},
        "inputs": _inputs(dataset, folders),
    }
    path = paths.output / "results.json"
    earlier = _read_results(path)
    same = all(earlier.get(key) == made_of[key] for key in ("weights", "inputs"))
    if same and made_of["measures"].items() <= earlier.get("measures", {}).items():
        return earlier

    counts = {HELD_OUT: len(dataset.test)} | {name: len(_hr_paths(folder)) for name, folder in folders.items()}
    found = {
        name: measure(tqdm(pairs, total=counts[name], desc=f"measuring {name}", unit="image", disable=None), methods, judge)
        for name, pairs in test_sets(dataset, folders).items()
    }
    results = made_of | {
        "sets": {name: means for name, (_, means) in found.items()},
        "preset": config.run.preset,
        "commit": machine.commit(),
        "machine": machine.describe(),
        "seconds": round(sum(card["seconds"] for card in cards.values())),
        "steps": {stage: card["step"] for stage, card in cards.items()},
        "versions": machine.versions(),
        "per_image": {name: per_image for name, (per_image, _) in found.items()},
    }
    write_json(path, results)
    return results


def _inputs(dataset: Dataset, folders: dict[str, Path]) -> dict[str, str]:
    """What each set is, in short."""
    inputs = {HELD_OUT: dataset.key}
    for name, folder in folders.items():
        inputs[name] = files_key(folder)
    return inputs


def files_key(folder: Path) -> str:
    """A hash of names and sizes of a benchmark's files."""
    files = sorted(path for side in ("HR", "LR_x4") for path in (folder / side).iterdir())
    listing = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in files]
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()[:10]


SCORE = Kind("a number or null", lambda value: value is None or NUMBER.test(value))
RESULTS = {  # of results.json
    "sets": {...: {...: {"images": whole(), ...: SCORE}}},
    "steps": {...: whole()},
    "seconds": NUMBER,
    "machine": TEXT,
    "commit": TEXT,
    "measures?": {...: TEXT},
}


def _read_results(path: Path) -> dict:
    """Earlier results; nothing if there are none, or if they are damaged."""
    try:
        return read_json(path, RESULTS)
    except (Damaged, OSError):
        return {}


def table(results: dict, measures: tuple[str, ...] = SHOWN, names: dict = METHODS, others: dict = published.NUMBERS) -> Table:
    """The means, one row for each set and method, the best that was measured on each set in bold; in the row "HR" its own.

    Of `measures` those that were taken anywhere. `names`: of the methods, to show. After the rows of a benchmark stand those that
    `others` published, marked as such; a note below the table names their source.
    """
    taken = {key for by_method in results["sets"].values() for values in by_method.values() for key in values}
    measures = tuple(key for key in measures if key in taken)
    rows = []
    for name, by_method in results["sets"].items():
        tops = {key: best(key, by_method) for key in measures}
        for method, values in by_method.items():
            cells = (cell(key, values, tops[key]) if method != HR else cell(key, values) for key in measures)
            rows.append((f"{name} ({values['images']})", names.get(method, method), *cells))
        for method, values in others.get(name, {}).items():
            cells = (cell(key, values) for key in measures)
            rows.append((f"{name} ({published.IMAGES[name]})", f"{method}, published", *cells))
    note = published.SOURCE if others.keys() & results["sets"].keys() else ""
    return Table(("set (images)", "method", *(MEASURES[key].heading for key in measures)), rows, note)


def best(key: str, by_method: dict[str, dict]) -> tuple:
    """The best value of a measure in a tuple; empty where there is none or none is best."""
    values = [values[key] for method, values in by_method.items() if key in values and method != HR]
    return (MEASURES[key].best(values, key=_order),) if values and MEASURES[key].best else ()


def cell(key: str, values: dict, best: tuple = ()) -> str:
    """A method's number of a measure as tables show it, bold if it is in `best`; "" where it was not taken."""
    return bold_if(values[key] in best, shown(key, values[key])) if key in values else ""


def per_image_table(results: dict, name: str, measure: str = "psnr_y", most: int = 20) -> Table:
    """One measure of each method on the first `most` images of the set `name`."""
    by_method = {method: values for method, values in results["per_image"][name].items() if method != HR}
    images_shown = list(by_method["bicubic"])[:most]
    rows = ((image, *(shown(measure, values[image][measure]) for values in by_method.values())) for image in images_shown)
    return Table((f"{name}: {MEASURES[measure].heading}", *(METHODS[method] for method in by_method)), rows)


def shown(measure: str, value: float | None) -> str:
    """A number of `measure` as tables show it; None is infinite."""
    return "∞" if value is None else f"{value:.{MEASURES[measure].decimals}f}"


def _order(value: float | None) -> float:
    return math.inf if value is None else value
