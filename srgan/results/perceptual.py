"""How pictures look: measures that are not means of pixel errors, of every method on every set, in one table.

LPIPS, NIQE and the Fréchet distance need files that environment variables name (docs/lpips.md); a column
whose file is not named is left out. PSNR-Y stands beside them: perception is bought with distortion (Blau and Michaeli 2018).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from srgan.config import SCALE
from srgan.data import dataset
from srgan.errors import SRGANError
from srgan.models import lpips
from srgan.results import evaluation, frechet, frechet_features, metrics, niqe
from srgan.results.evaluation import TestImage
from srgan.results.tables import Table
from srgan.runs import weights
from srgan.upscale import network

TILE = 96  # side in pixels of the patches that the Fréchet distance compares
CELLS = 8  # side of a window of the grid measure, in cells of 4x4 pixels
HEADS = {
    "psnr_y": "PSNR-Y, dB",
    "lpips": "ST-LPIPS (Alex)",
    "frechet": "Fréchet, 96-pixel patches",
    "niqe": "NIQE",
    "grid": "grid",
    "detail": "detail",
}
DEFINITIONS = {
    "psnr_y": "PSNR of luma, 4 pixels of border cut",
    "lpips": "shift-tolerant LPIPS, AlexNet",
    "frechet": "squared Fréchet distance of MobileNet v1 0.75's features, patches of 96 from the top left, without overlap",
    "niqe": "NIQE of the whole picture, BasicSR's statistics",
    "grid": "how far the means of the 16 places of a 4x4 cell lie apart, in levels of luma, over windows of 8x8 cells",
    "detail": "spread of the Laplacian of luma, against HR's",
}


def grid(image: np.ndarray) -> float:
    """How strongly the 16 places of a 4x4 cell stand out, (H, W, 3) uint8: a pattern of period 4 or 2 drives it up.

    Luma's mean of each place over windows of 8x8 cells, less the mean of all places: of this the mean absolute value, in levels.
    Texture gives some of it by chance, so it is to be read beside that of HR.
    """
    y = metrics.luma(image)
    side = SCALE * CELLS
    rows, columns = (length // side for length in y.shape)
    if not rows or not columns:
        return float("nan")
    cells = y[: rows * side, : columns * side].reshape(rows, CELLS, SCALE, columns, CELLS, SCALE)
    places = cells.mean(axis=(1, 4))  # (rows, 4, columns, 4)
    return float(np.abs(places - places.mean(axis=(1, 3), keepdims=True)).mean())


def tiles(image: np.ndarray) -> Iterator[np.ndarray]:
    """The patches of 96x96 pixels that fit into (H, W, 3), from the top left, without overlap."""
    for top in range(0, image.shape[0] - TILE + 1, TILE):
        for left in range(0, image.shape[1] - TILE + 1, TILE):
            yield image[top : top + TILE, left : left + TILE]


class Measures:
    """The measures that can be had here, with what they need in memory."""

    def __init__(self):
        self.photos = niqe.load() if os.environ.get("SRGAN_NIQE") else None
        self.depths = lpips.load("alex") if os.environ.get(lpips.VARIABLES["alex"]) else None
        named = os.environ.get("SRGAN_MOBILENET")
        self.extract = frechet_features.mobilenet(named) if named else None

    def of_set(self, images: Iterable[TestImage], methods: dict[str, network.Upscaler]) -> dict[str, dict[str, float]]:
        """The means over a set: {method: {measure: number}}, HR's own in the row "HR"."""
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in (*methods, "HR")}
        features: dict[str, list[np.ndarray]] = {name: [] for name in rows}
        for _, lr, hr in images:
            depths = self.depths(_to_float(hr)) if self.depths else None
            for name, picture in [*((name, method(lr)) for name, method in methods.items()), ("HR", hr)]:
                rows[name].append(self._of_image(hr, picture, depths))
                patches = list(tiles(picture)) if self.extract else []
                features[name] += [self.extract(np.stack(patches))] if patches else []
        means = {name: {key: _mean([row[key] for row in of_images]) for key in of_images[0]} for name, of_images in rows.items()}
        if self.extract:
            gaussians = {name: frechet.fit(np.concatenate(of_images)) for name, of_images in features.items()}
            for name, gaussian in gaussians.items():
                means[name]["frechet"] = frechet.distance(gaussians["HR"], gaussian)
        return means

    def _of_image(self, hr: np.ndarray, picture: np.ndarray, depths: list[tf.Tensor] | None) -> dict[str, float]:
        values = {"psnr_y": metrics.psnr_y(hr, picture)}
        if depths:
            values["lpips"] = float(lpips.distance(self.depths, depths, _to_float(picture))[0])
        if self.photos:
            values["niqe"] = niqe.niqe(picture, self.photos)
        return values | {"grid": grid(picture), "detail": metrics.detail(hr, picture)}


def table(by_set: dict[str, dict[str, dict[str, float]]]) -> Table:
    """A row a set and method."""
    keys = [key for key in HEADS if any(key in values for rows in by_set.values() for values in rows.values())]
    rows = (
        (name, method, *(_shown(key, values[key]) for key in keys))
        for name, methods in by_set.items()
        for method, values in methods.items()
    )
    return Table(("set", "method", *(HEADS[key] for key in keys)), rows)


def open_methods(names: list[str]) -> dict[str, network.Upscaler]:
    """Upscalers by "bicubic", the name of shipped weights, or a file; a file is shown by its run's name."""
    found: dict[str, Callable] = {}
    for name in names:
        path = None if name == "bicubic" else weights.find(name)
        shown = name if path is None or name in weights.SHIPPED else f"{path.parent.name}/{path.name.removesuffix('.weights.h5')}"
        found[shown] = network.bicubic if path is None else network.load(path)
    return found


def open_set(name: str, folders: dict[str, Path]) -> Iterator[TestImage]:
    """The images of a benchmark by its name, or the held-out photos of a prepared data set by its folder."""
    if name in folders:
        return evaluation.benchmark(folders[name])
    manifest = dataset.read_manifest(Path(name))  # raises SRGANError if it is none
    pack = dataset.Pack(Path(name) / "test.u8", manifest["test"], manifest["sha256"]["test"])
    return ((photo, *pack.pair(i)) for i, photo in enumerate(pack.names()))


def measure(names: list[str], sets: list[str], folders: dict[str, Path]) -> dict[str, dict[str, dict[str, float]]]:
    """Everything, {set: {method: {measure: number}}}. Raises SRGANError for what is not there."""
    methods, measures = open_methods(names), Measures()
    unknown = [name for name in sets if name not in folders and not Path(name).is_dir()]
    if unknown:
        raise SRGANError(f"There is no benchmark {unknown[0]} here, nor a folder of that name: python -m srgan fetch {unknown[0]}")
    return {
        Path(name).name: measures.of_set(tqdm(list(open_set(name, folders)), desc=name, unit="image", disable=None), methods)
        for name in sets
    }


def _to_float(image: np.ndarray) -> tf.Tensor:
    return tf.constant(image[None] / 127.5 - 1.0, tf.float32)


def _mean(values: list[float]) -> float:
    """Without those that cannot be measured (NaN)."""
    kept = [value for value in values if not np.isnan(value)]
    return float(np.mean(kept)) if kept else float("nan")


def _shown(key: str, value: float) -> str:
    if not np.isfinite(value):
        return "∞" if np.isinf(value) else ""
    return f"{value:.3f}" if key == "lpips" else f"{value:.0f}" if key == "frechet" else f"{value:.2f}"
