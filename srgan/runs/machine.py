"""What this run ran on: for the records beside weights and results."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import tensorflow as tf

from srgan import __version__
from srgan.runs.paths import IS_CHECKOUT, PROJECT


@functools.cache
def commit() -> str:
    """The project's git commit, "+" behind it if files were changed since; its version where it was installed; else "unknown"."""
    if not IS_CHECKOUT:
        return f"version {__version__}"
    try:
        done = subprocess.run(
            ["git", "-C", str(PROJECT), "describe", "--always", "--abbrev=12", "--dirty=+"],
            capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


@functools.cache
def describe() -> str:
    """The name of the GPU, with their number if there are several, or the number of cores and the processor's name."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
        return name if len(gpus) == 1 else f"{len(gpus)} x {name}"
    return f"{cores()} cores, {_processor()}"


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Python's version and those of the packages that results depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in ("tensorflow", "keras", "numpy", "pillow")}
