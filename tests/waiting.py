"""Waiting for what another thread or process does: no test may count on how fast that is."""

import time
from collections.abc import Callable

PATIENCE = 300.0  # seconds: a machine may stand still for many of them


def wait_until(condition: Callable[[], bool], alive: Callable[[], bool] = lambda: True) -> None:
    """Return as soon as `condition` holds. Raises AssertionError if what it waits for is not `alive` any more, or never comes."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert alive(), "what was waited for has ended"
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.01)
