"""Every method on every test set: PSNR-Y and SSIM-Y per image and mean, kept as results.json."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from srgan import data, images, machine, metrics, upscale, weights
from srgan.catalogue import BENCHMARKS
from srgan.config import STAGES, Config
from srgan.errors import SRGANError
from srgan.paths import Paths, write_json

METHODS = {"nearest": "nearest", "bicubic": "bicubic"} | STAGES  # key -> name shown
HELD_OUT = "held-out"  # the test photos of the run's own data set

TestImage = tuple[str, np.ndarray, np.ndarray]  # name, LR (h, w, 3), HR (4 h, 4 w, 3), uint8


def upscalers(paths: Paths) -> dict[str, upscale.Upscaler]:
    """The four methods by key. Raises SRGANError if a stage's weights are missing: which notebook makes them."""
    methods = {"nearest": upscale.nearest, "bicubic": upscale.bicubic}
    for stage, notebook in zip(STAGES, ("02", "03"), strict=True):
        if not paths.weights(stage).is_file():
            raise SRGANError(f"{paths.model} has no {METHODS[stage]} weights yet: run notebook {notebook} first.")
        methods[stage] = upscale.network(weights.load(paths.weights(stage)))
    return methods


def held_out(dataset: data.Dataset) -> Iterator[TestImage]:
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
    for hr_path in sorted((folder / "HR").iterdir()):
        if hr_path.suffix.lower() not in images.SUFFIXES:
            continue
        lr_path = folder / "LR_x4" / hr_path.name
        lr, hr = images.read_image(lr_path), images.crop_to_scale(images.read_image(hr_path))
        if hr.shape[:2] != (4 * lr.shape[0], 4 * lr.shape[1]):
            raise SRGANError(f"{lr_path} is {lr.shape[1]}x{lr.shape[0]}, not a quarter of {hr_path}, {hr.shape[1]}x{hr.shape[0]}.")
        yield hr_path.stem, lr, hr


def measure(test_images: Iterator[TestImage], methods: dict[str, upscale.Upscaler]) -> dict[str, dict[str, dict]]:
    """PSNR-Y (dB) and SSIM-Y of each method on each image: {method: {image: {"psnr_y", "ssim_y"}}}."""
    measured: dict[str, dict[str, dict]] = {method: {} for method in methods}
    for name, lr, hr in test_images:
        for method, upscaler in methods.items():
            sr = upscaler(lr)
            measured[method][name] = {"psnr_y": metrics.psnr_y(hr, sr), "ssim_y": metrics.ssim_y(hr, sr)}
    return measured


def mean(per_image: dict[str, dict]) -> dict[str, float]:
    """The means over the images, and how many they are."""
    return {
        "psnr_y": round(float(np.mean([values["psnr_y"] for values in per_image.values()])), 3),
        "ssim_y": round(float(np.mean([values["ssim_y"] for values in per_image.values()])), 4),
        "images": len(per_image),
    }


def evaluate(config: Config, paths: Paths) -> dict:
    """Measure all methods on the held-out photos and the benchmarks; write and return results.json.

    {"sets": {SET: {METHOD: {"psnr_y", "ssim_y", "images"}}}, "per_image", "preset", "commit", "machine", "seconds"
    (of training, both stages), "steps", "weights" (sha256), "inputs", "versions"}. If the file there is of the same
    weights and images it is returned as it is.
    """
    dataset = data.prepare(config, paths)
    methods = upscalers(paths)
    folders = benchmark_folders(paths)
    cards = {stage: weights.card(paths.weights(stage)) for stage in STAGES}
    digests = {stage: card["sha256"] for stage, card in cards.items()}
    path = paths.output / "results.json"
    inputs = _inputs(dataset, folders)
    before = _read_results(path)
    if before.get("weights") == digests and before.get("inputs") == inputs:
        return before

    sources = {HELD_OUT: held_out(dataset)} | {name: benchmark(folder) for name, folder in folders.items()}
    per_image = {
        name: measure(tqdm(source, desc=f"measuring {name}", unit="image", disable=None), methods)
        for name, source in sources.items()
    }
    results = {
        "sets": {name: {method: mean(values) for method, values in by.items()} for name, by in per_image.items()},
        "preset": config.preset,
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


def _inputs(dataset: data.Dataset, folders: dict[str, Path]) -> dict[str, str]:
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


def table(results: dict) -> str:
    """The means as a Markdown table, one row a set and method, each set's best in bold."""
    lines = ["| set (images) | method | PSNR-Y, dB | SSIM-Y |", "|---|---|---|---|"]
    for name, by_method in results["sets"].items():
        best = {key: max(values[key] for values in by_method.values()) for key in ("psnr_y", "ssim_y")}
        for method, values in by_method.items():
            cells = [f"{values['psnr_y']:.2f}", f"{values['ssim_y']:.4f}"]
            cells = [
                f"**{cell}**" if values[key] == best[key] else cell for cell, key in zip(cells, ("psnr_y", "ssim_y"), strict=True)
            ]
            lines.append(f"| {name} ({values['images']}) | {METHODS[method]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def write_comparisons(config: Config, paths: Paths, per_set: int = 2) -> list[Path]:
    """Write comparison pictures of the first `per_set` photos of each set to the output folder; returns their paths."""
    dataset, methods = data.prepare(config, paths), upscalers(paths)
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
    shown = {"LR": lr} | {METHODS[key]: methods[key](lr) for key in ("bicubic", "srresnet", "srgan")} | {"HR": hr}
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
