"""The batches of the next steps, made by a thread while the device works on these."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from srgan.config import Config
from srgan.data.dataset import Dataset
from srgan.train import replicas
from srgan.train.state import State

SECONDS_PER_CALL = 0.5  # the device works on its own for so long at most (but a step at least): a request to stop waits


class BatchesAhead:
    """`take` gives the batches of the next call: as many steps as fit into SECONDS_PER_CALL, none beyond the next event."""

    def __init__(self, config: Config, state: State, dataset: Dataset):
        self._config, self._stage, self._dataset = config, state.stage, dataset
        self._per_call, self._taken = 1, None  # steps; and how many were taken last, when
        self._thread = ThreadPoolExecutor(1, "batches")
        self._step = state.step
        self._coming = self._ahead()

    def __enter__(self) -> BatchesAhead:
        return self

    def __exit__(self, *exception) -> None:
        self._thread.shutdown()

    def take(self) -> tuple[np.ndarray, np.ndarray]:
        """LR uint8 (K, B, h, w, 3) and HR (K, B, 4 h, 4 w, 3) of the next K steps."""
        lr, hr = self._coming.result()
        now = time.monotonic()
        if self._taken and not replicas.several_workers():  # workers would have to agree
            count, then = self._taken
            self._per_call = max(1, int(SECONDS_PER_CALL * count / max(now - then, 1e-9)))
        self._taken = len(lr), now
        self._step += len(lr)
        self._coming = self._ahead()
        return lr, hr

    def _ahead(self) -> Future | None:
        count = steps_to_event(self._config, self._stage, self._step, self._per_call)
        return self._thread.submit(self._dataset.batches, self._step, count) if count > 0 else None


def steps_to_event(config: Config, stage: str, step: int, most: int) -> int:
    """How many steps can be taken from `step` on without passing a row, a sample or the end; at most `most`."""
    ends = (every - step % every for every in (config.keeping.log_every, config.keeping.sample_every))
    return min(most, config.total_steps(stage) - step, *ends)
