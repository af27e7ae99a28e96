"""What every contender works on, and how its work is timed inside its own process."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from srgan.config import SCALE, Config

LEAST = 0.2  # seconds that a measurement lasts at least: shorter work is repeated


def repeated(call: Callable[[], float]) -> Callable[[], float]:
    """Warm `call` up; returns a measurement: seconds of one call, the mean of as many as take LEAST seconds.

    `call` gives a number, or a scalar tensor, which is read at the end only: what a GPU still has in its queue counts.
    Raises ArithmeticError if it is not finite.
    """
    for _ in range(2):
        _seconds(call, 1)
    count = max(1, math.ceil(LEAST / _seconds(call, 1)))
    return lambda: _seconds(call, count)


def _seconds(call: Callable[[], float], count: int) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        last = call()
    value = float(last)
    seconds = time.perf_counter() - begun
    if not math.isfinite(value):
        raise ArithmeticError(f"what it computes became {value}")
    return seconds / count


def pixels(count: int, height: int, width: int) -> np.ndarray:
    """Random images (count, height, width, 3), uint8, the same for all contenders."""
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def batch(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """LR and HR of one random training batch, uint8."""
    side = config.data.hr_size // SCALE
    return pixels(config.data.batch_size, side, side), pixels(config.data.batch_size, config.data.hr_size, config.data.hr_size)


def peak_memory() -> int:
    """The most bytes that this process has held in memory.

    On Linux not ru_maxrss, which a new process inherits from the one that started it.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
