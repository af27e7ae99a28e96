"""Load TensorFlow without the notices that its start prints past Python, straight to the process's standard error."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


def load_tensorflow() -> None:
    """Import TensorFlow and let it look for devices, silently. What fails still raises."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # warnings and errors of later on are shown
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # else a second notebook on the same GPU finds no memory
    with _no_standard_error():
        import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def _no_standard_error() -> Iterator[None]:
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
