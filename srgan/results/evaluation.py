"""Every method on every test set: PSNR and SSIM per image and mean, kept as results.json."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from srgan.config import STAGES, Config
from srgan.data import images, preparation
from srgan.data.catalogue import BENCHMARKS
from srgan.data.dataset import Dataset
from srgan.errors import SRGANError
from srgan.results import metrics, published
from srgan.runs import machine, weights
from srgan.runs.paths import Paths, write_json
from srgan.upscale import ensemble
from srgan.upscale import network as upscale

NOTEBOOKS = {"srresnet": "02", "srgan": "03"}  # that make the weights
METHODS = {"nearest": "nearest", "bicubic": "bicubic"} | STAGES  # key -> name shown
HELD_OUT = "held-out"  # the test photos of the run's own data set
# Functions of `metrics`, by name: how a table's column is headed, and what results.json says of it.
MEASURES = {
    "psnr_y": ("PSNR-Y, dB", "PSNR of luma, dB; null: infinite, as the image equals HR"),
    "ssim_y": ("SSIM-Y", "SSIM of luma, Gaussian window 11x11, sigma 1.5"),
    "ssim_y_uniform": ("SSIM-Y 7x7", "SSIM of luma, uniform window 7x7"),
    "psnr_rgb": ("PSNR-RGB, dB", "PSNR of red, green and blue together, dB; null: infinite, as the image equals HR"),
}
CUSTOMARY = ("psnr_y", "ssim_y")  # the measures that most papers give

TestImage = tuple[str, np.ndarray, np.ndarray]  # name, LR (h, w, 3), HR (4 h, 4 w, 3), uint8


def upscalers(config: Config, paths: Paths) -> dict[str, upscale.Upscaler]:
    """The classic filters and the run's networks, by key.

    Raises SRGANError if a stage's weights are missing: which notebook makes them.
    """
    methods = {"nearest": upscale.nearest, "bicubic": upscale.bicubic}
    for stage in config.generator_stages:
        if not paths.weights(stage).is_file():
            raise SRGANError(f"{paths.model} has no {METHODS[stage]} weights yet: run notebook {NOTEBOOKS[stage]} first.")
        methods[stage] = upscale.load(paths.weights(stage))
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
    return sorted(path for path in (folder / "HR").iterdir() if path.suffix.lower() in images.SUFFIXES)


def measure(test_images: Iterator[TestImage], methods: dict[str, upscale.Upscaler]) -> dict[str, dict[str, dict]]:
    """What MEASURES names of each method on each image: {method: {image: {measure: number}}}.

    An infinite PSNR is None: JSON knows no infinity.
    """
    measured: dict[str, dict[str, dict]] = {method: {} for method in methods}
    for name, lr, hr in test_images:
        for method, upscaler in methods.items():
            sr = upscaler(lr)
            values = {key: getattr(metrics, key)(hr, sr) for key in MEASURES}
            measured[method][name] = {key: value if math.isfinite(value) else None for key, value in values.items()}
    return measured


def mean(per_image: dict[str, dict]) -> dict[str, float | None]:
    """The means over the images, None where one is infinite, and how many they are."""
    means: dict[str, float | None] = {}
    for key in MEASURES:
        values = [measured[key] for measured in per_image.values()]
        means[key] = None if None in values else round(float(np.mean(values)), 3 if _is_psnr(key) else 4)
    return means | {"images": len(per_image)}


def evaluate(config: Config, paths: Paths) -> dict:
    """Measure all methods on the held-out photos and the benchmarks; write and return results.json.

    {"sets": {SET: {METHOD: {MEASURE: number, "images": count}}}, "measures" (what each is), "per_image", "preset",
    "commit", "machine", "seconds" (of training, both stages), "steps", "weights" (sha256), "inputs", "versions"}. If the
    file there is of the same weights, images and measures it is returned as it is.
    """
    dataset = preparation.prepare(config, paths, ensemble.teacher(config))
    methods = upscalers(config, paths)
    folders = benchmark_folders(paths)
    cards = {stage: weights.card(paths.weights(stage)) for stage in config.generator_stages}
    digests = {stage: card["sha256"] for stage, card in cards.items()}
    path = paths.output / "results.json"
    inputs = _inputs(dataset, folders)
    measures = {key: definition for key, (_, definition) in MEASURES.items()}
    before = _read_results(path)
    if (before.get("weights"), before.get("inputs"), before.get("measures")) == (digests, inputs, measures):
        return before

    sources = {HELD_OUT: (held_out(dataset), len(dataset.test))}
    sources |= {name: (benchmark(folder), len(_hr_paths(folder))) for name, folder in folders.items()}
    per_image = {
        name: measure(tqdm(source, total=count, desc=f"measuring {name}", unit="image", disable=None), methods)
        for name, (source, count) in sources.items()
    }
    results = {
        "sets": {name: {method: mean(values) for method, values in by.items()} for name, by in per_image.items()},
        "measures": measures,
        "preset": config.run.preset,
        "commit": machine.commit(),
        "machine": machine.describe(),
        "seconds": round(sum(card["seconds"] for card in cards.values())),
        "steps": {stage: card["step"] for stage, card in cards.items()},
        "weights": digests,
        "inputs": inputs,
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


def _read_results(path: Path) -> dict:
    """Earlier results; nothing if there are none, or if they are damaged."""
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return results if isinstance(results, dict) else {}


def table(results: dict, measures: tuple[str, ...] = CUSTOMARY) -> str:
    """The means as a Markdown table, one row a set and method, the best that was measured on each set in bold.

    Behind the rows of a benchmark stand those that others published, so marked, and below the table where they are from.
    """
    lines = [
        f"| set (images) | method | {' | '.join(MEASURES[key][0] for key in measures)} |",
        "|---|---|" + "---|" * len(measures),
    ]
    for name, by_method in results["sets"].items():
        best = {key: max((values[key] for values in by_method.values()), key=_order) for key in measures}
        for method, values in by_method.items():
            cells = [shown(key, values[key]) for key in measures]
            cells = [f"**{cell}**" if values[key] == best[key] else cell for key, cell in zip(measures, cells, strict=True)]
            lines.append(f"| {name} ({values['images']}) | {METHODS[method]} | {' | '.join(cells)} |")
        for method, values in published.NUMBERS.get(name, {}).items():
            cells = [shown(key, values[key]) if key in values else "" for key in measures]
            lines.append(f"| {name} ({published.IMAGES[name]}) | {method}, published | {' | '.join(cells)} |")
    if published.NUMBERS.keys() & results["sets"].keys():
        lines += ["", published.SOURCE]
    return "\n".join(lines)


def shown(measure: str, value: float | None) -> str:
    """A number of `measure` as tables show it: PSNR with two decimals, SSIM with four; None is infinite."""
    if value is None:
        return "∞"
    return f"{value:.2f}" if _is_psnr(measure) else f"{value:.4f}"


def _order(value: float | None) -> float:
    return math.inf if value is None else value


def _is_psnr(measure: str) -> bool:
    return measure.startswith("psnr")


def write_comparisons(config: Config, paths: Paths, per_set: int = 2) -> list[Path]:
    """Write comparison pictures of the first `per_set` photos of each set to the output folder; returns their paths."""
    dataset, methods = preparation.prepare(config, paths, ensemble.teacher(config)), upscalers(config, paths)
    sources = {HELD_OUT: held_out(dataset)} | {name: benchmark(f) for name, f in benchmark_folders(paths).items()}
    written = []
    for set_name, source in sources.items():
        for name, lr, hr in itertools.islice(source, per_set):
            plain = "_".join(Path(name).with_suffix("").parts)  # subfolders too: names repeat between them
            path = paths.output / "comparisons" / f"{set_name}_{plain}.png"
            images.save_png(path, comparison(lr, hr, methods, most_detailed(hr)))
            written.append(path)
    return written


def comparison(lr: np.ndarray, hr: np.ndarray, methods: dict[str, upscale.Upscaler], detail: tuple[int, int, int]):
    """The strip LR | bicubic | SRResNet | SRGAN | HR of one photo, and under it an enlarged detail of each.

    `detail` is (top, left, side) in HR pixels, multiples of 4. Returns a PIL image.
    """
    shown = {"LR": lr} | {METHODS[key]: method(lr) for key, method in methods.items() if key != "nearest"} | {"HR": hr}
    top, left, side = detail
    zoomed = {}
    for name, image in shown.items():
        unit = hr.shape[0] // image.shape[0]  # HR pixels per pixel of this image: 4 for LR, else 1
        zoomed[name] = image[top // unit : (top + side) // unit, left // unit : (left + side) // unit]
    width = round(256 * hr.shape[1] / hr.shape[0])
    return images.stack([images.strip(shown, height=256), images.strip(zoomed, height=width)])


def most_detailed(hr: np.ndarray, side: int = 96) -> tuple[int, int, int]:
    """(top, left, side) of the square of HR with the greatest variance of luma, on a grid of a quarter of the side."""
    side = min(side, hr.shape[0] // 4 * 4, hr.shape[1] // 4 * 4)
    pace = max(side // 16 * 4, 4)
    y = metrics.luma(hr)
    rows, columns = (range(0, length - side + 1, pace) for length in hr.shape[:2])
    top, left = max(
        itertools.product(rows, columns), key=lambda place: y[place[0] : place[0] + side, place[1] : place[1] + side].var()
    )
    return top, left, side
