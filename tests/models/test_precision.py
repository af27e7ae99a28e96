from __future__ import annotations

import re
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from srgan.models import precision


@pytest.mark.parametrize("name", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_precision_that_is_named_is_taken_whatever_the_machine(name, monkeypatch):
    monkeypatch.setattr(precision, "cpu_flags", lambda: {"amx_bf16"})
    assert precision.resolve(name) == name


@pytest.mark.parametrize(
    "flags, expected",
    [
        (set(), "float32"),
        ({"avx2", "avx512f"}, "float32"),
        ({"avx512f", "avx512_bf16"}, "mixed_bfloat16"),
        ({"avx512f", "amx_bf16"}, "mixed_bfloat16"),
    ],
)
def test_auto_without_a_gpu_follows_the_processor(flags, expected, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    monkeypatch.setattr(precision, "cpu_flags", lambda: flags)
    assert precision.resolve("auto") == expected


@pytest.mark.parametrize(
    "details, expected",
    [
        ({"compute_capability": (7, 5)}, "mixed_float16"),  # T4
        ({"compute_capability": (7, 0)}, "mixed_float16"),  # V100, the first with tensor cores
        ({"compute_capability": (6, 1)}, "float32"),  # GTX 1080
        ({}, "float32"),
    ],
)
def test_auto_with_a_gpu_follows_its_compute_capability(details, expected, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda device: details)
    monkeypatch.setattr(precision, "cpu_flags", lambda: {"amx_bf16"})
    assert precision.resolve("auto") == expected


def test_the_processors_flags_are_the_kernels():
    cpuinfo = Path("/proc/cpuinfo")
    listed = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.is_file() else None
    assert precision.cpu_flags() == (set(listed[1].split()) if listed else set())


def test_a_policy_holds_inside_and_ends_even_with_an_error():
    before = keras.config.dtype_policy().name
    with precision.policy("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
        assert keras.layers.Dense(1).variable_dtype == "float32"
    assert keras.config.dtype_policy().name == before
    with pytest.raises(ZeroDivisionError), precision.policy("mixed_float16"):
        raise ZeroDivisionError
    assert keras.config.dtype_policy().name == before
