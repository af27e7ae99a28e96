"""How fast this library is on this machine, beside stock Keras in the classic loop and PyTorch: `python -m tools bench`."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from srgan.errors import SRGANError

FORMAT = 2
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8", "asimd", "bf16")  # that matter


def run(size: str = "whole", tell: Callable[[str], None] = print) -> dict:
    """Measure everything, telling each table when it is there; returns the results as they go to JSON.

    `size`: "whole", "quick" (small networks, few rounds) or "gpu" (what a GPU is for, few rounds). Raises SRGANError where
    "gpu" finds none.
    """
    from tools.bench import sections

    if size == "gpu":
        _require_gpu()
    plan, left_out = sections.SIZES[size]
    return measure(plan, [name for name in sections.SECTIONS if name not in left_out], tell) | {"size": size}


def _require_gpu() -> None:
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        raise SRGANError("TensorFlow sees no GPU here. In Colab: Runtime > Change runtime type > T4 GPU. Elsewhere: docs/gpu.md.")


def measure(plan, names: list[str], tell: Callable[[str], None]) -> dict:
    """The sections `names` of `plan`."""
    from tools.bench import sections, table

    before, done = os.getloadavg()[0], {}
    results = about(plan.config)
    with tempfile.TemporaryDirectory(prefix="srgan-bench-") as folder:
        for i, name in enumerate(names, start=1):
            tell(f"{i} of {len(names)}: {sections.SECTIONS[name].__doc__}")
            done[name] = sections.SECTIONS[name](plan, Path(folder), done)
            tell(table.text(done[name]) + "\n")
    return results | {"load": [before, os.getloadavg()[0]], "sections": done}


def about(config) -> dict:
    """When, where and with what."""
    from srgan.models import precision
    from srgan.runs import machine

    versions = machine.versions()
    try:
        versions["torch"] = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        versions["torch"] = "not installed"
    return {
        "format": FORMAT,
        "when": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
        "machine": machine.describe(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "flags": [flag for flag in FLAGS if flag in precision.cpu_flags()],
        "versions": versions,
        "commit": machine.commit(),
        "config": config.flat(),
    }


def read(path: Path) -> dict:
    """The results that `--json` wrote. Raises SRGANError if the file is something else."""
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        if results["format"] == FORMAT and "sections" in results:
            return results
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SRGANError(
            f"{path} holds no results of the bench ({error}). Write it first: python -m tools bench --json FILE."
        ) from error
    raise SRGANError(f"{path} was written by another version of the bench. Measure again: python -m tools bench --json FILE.")
