"""Pictures to compare with one's own eyes: strips of all methods with an enlarged detail, and sheets of thumbnails."""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from srgan.config import Config
from srgan.data import images, preparation
from srgan.results import evaluation, metrics
from srgan.runs.paths import Paths
from srgan.upscale import ensemble, network

LONGEST = 200  # bytes of a picture's name


def write_comparisons(config: Config, paths: Paths, per_set: int = 2) -> list[Path]:
    """Write comparison pictures of the first `per_set` photos of each set to the output folder; returns their paths."""
    dataset, methods = preparation.prepare(config, paths, ensemble.teacher(config)), evaluation.upscalers(config, paths)
    written = []
    for set_name, pairs in evaluation.test_sets(dataset, evaluation.benchmark_folders(paths)).items():
        for name, lr, hr in itertools.islice(pairs, per_set):
            path = paths.output / "comparisons" / _file_name(set_name, name, written)
            images.save_png(path, comparison(lr, hr, methods, most_detailed(hr)))
            written.append(path)
    return written


def _file_name(set_name: str, name: str, written: list[Path]) -> str:
    """For the photo `name`, subfolders in it; with a checksum where that is too long for a disk, or another's already."""
    plain = "_".join([set_name, *Path(name).with_suffix("").parts])
    if len(os.fsencode(plain)) > LONGEST or f"{plain}.png" in {path.name for path in written}:
        short = os.fsencode(plain)[: LONGEST - 11].decode("utf-8", "ignore")
        plain = f"{short}-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
    return f"{plain}.png"


def comparison(lr: np.ndarray, hr: np.ndarray, methods: dict[str, network.Upscaler], detail: tuple[int, int, int]) -> Image.Image:
    """The strip LR | bicubic | SRResNet | SRGAN | HR of one photo, and under it an enlarged detail of each.

    `detail` is (top, left, side) in HR pixels, multiples of 4.
    """
    shown = {"LR": lr} | {evaluation.METHODS[key]: method(lr) for key, method in methods.items() if key != "nearest"} | {"HR": hr}
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
    return *by_detail(hr, side)[0], side


def by_detail(hr: np.ndarray, side: int) -> list[tuple[int, int]]:
    """(top, left) of the squares of HR on a grid of a quarter of the side, by their variance of luma, the greatest first."""
    pace = max(side // 16 * 4, 4)
    y = metrics.luma(hr)
    places = itertools.product(*(range(0, length - side + 1, pace) for length in hr.shape[:2]))
    return sorted(places, key=lambda place: -y[place[0] : place[0] + side, place[1] : place[1] + side].var())


def contact_sheet(photos: list[np.ndarray], side: int = 120, columns: int = 8) -> Image.Image:
    """Thumbnails of (height, width, 3) uint8 images, in rows."""
    rows = -(-len(photos) // columns)
    sheet = Image.new("RGB", (min(columns, len(photos)) * (side + 4), rows * (side + 4)), "white")
    for i, photo in enumerate(photos):
        thumbnail = Image.fromarray(photo)
        thumbnail.thumbnail((side, side))
        sheet.paste(thumbnail, (i % columns * (side + 4), i // columns * (side + 4)))
    return sheet


def written(words: str, height: int) -> np.ndarray:
    """`words` in black on white, letters about `height` pixels high: (H, W, 3) uint8, both sides multiples of 4."""
    font = ImageFont.load_default(height)
    left, top, right, bottom = font.getbbox(words)
    sheet = Image.new("RGB", (right - left + 2 * height, bottom - top + 2 * height), "white")
    ImageDraw.Draw(sheet).text((height - left, height - top), words, fill="black", font=font)
    return images.crop_to_scale(np.asarray(sheet))
