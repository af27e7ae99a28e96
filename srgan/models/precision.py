"""Which number format this machine computes fastest in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf


def resolve(precision: str) -> str:
    """`precision`, or for "auto" the Keras dtype policy that suits the first device.

    "mixed_float16" on GPUs with tensor cores (compute capability 7.0, Volta, and later), "mixed_bfloat16" on CPUs
    with AMX or AVX512-BF16, else "float32".
    """
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return "mixed_float16" if capability >= (7, 0) else "float32"
    return "mixed_bfloat16" if cpu_flags() & {"amx_bf16", "avx512_bf16"} else "float32"


def cpu_flags() -> set[str]:
    """The instruction sets that the kernel lists for the processor; empty where there is no /proc/cpuinfo."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return set()
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
    return set(flags.partition(":")[2].split())


@contextlib.contextmanager
def policy(precision: str) -> Iterator[None]:
    """Layers built inside compute in `precision`, a Keras dtype policy's name."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
