"""Networks of other projects in the race; srgan/results/peers.py tells how to install them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from srgan.results.peers import PEERS as KNOWN
from tools.bench import work

PEERS = {"ESRGAN medium": "esrgan-medium", "ESRGAN thick": "esrgan-thick", "SPAN by ncnn": "span"}  # row -> peer


def measure(name: str, shape: tuple[int, int, int]) -> Callable[[], float]:
    """A measurement of the peer in the row `name` on (count, height, width) images one by one, from uint8 to uint8.

    Raises ModuleNotFoundError where it is not installed.
    """
    upscale, lr = KNOWN[PEERS[name]](), work.pixels(*shape)
    return work.repeated(lambda: sum(float(upscale(image).mean()) for image in lr))


def psnr_y(name: str, benchmark: str) -> float | None:
    """The mean PSNR of luma of a peer on a benchmark, dB; None where the benchmark is not there."""
    from srgan.results import evaluation, metrics  # not in the peers' processes, whose memory is measured
    from srgan.runs.paths import PROJECT, Paths

    folder = evaluation.benchmark_folders(Paths(PROJECT, "bench")).get(benchmark)
    if folder is None:
        return None
    upscale = KNOWN[PEERS[name]]()
    return float(np.mean([metrics.psnr_y(hr, upscale(lr)) for _, lr, hr in evaluation.benchmark(folder)]))
