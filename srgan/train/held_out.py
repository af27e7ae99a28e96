"""How the generator does on held-out photos while it is trained: sample strips, and a score for each checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from srgan.data import images
from srgan.data.dataset import Dataset
from srgan.results import metrics
from srgan.upscale.network import Upscaler


def write_sample(path: Path, upscaler: Upscaler, dataset: Dataset) -> None:
    """A strip LR | SR | HR of crops of three held-out photos."""
    sheets = [images.strip({"LR": lr, "SR": upscaler(lr), "HR": hr}, height=256) for lr, hr in crops(dataset, 3)]
    images.save_png(path, images.stack(sheets))


def score(upscaler: Upscaler, dataset: Dataset) -> dict[str, float]:
    """Mean PSNR-Y on crops of held-out photos, few enough to be measured at every save; 100 dB where a crop is met exactly."""
    scores = [min(metrics.psnr_y(hr, upscaler(lr)), 100.0) for lr, hr in crops(dataset, 8)]
    return {"psnr_y": round(float(np.mean(scores)), 4), "crops": len(scores)}


def crops(dataset: Dataset, count: int, size: int = 128) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """LR and HR, uint8, of the middles of the first `count` held-out photos, degraded as the run's patches are."""
    for i in range(min(count, len(dataset.test))):
        yield dataset.held_out_crop(i, size)
