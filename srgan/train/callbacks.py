"""What is kept of a training as it goes. After each call of the device every callback is asked: `callback(state, last)`."""

from __future__ import annotations

import time
from collections.abc import Callable

from srgan.config import Config
from srgan.data.dataset import Dataset
from srgan.errors import SRGANError
from srgan.runs import event_files
from srgan.runs.drive import Mirror
from srgan.runs.heartbeat import Heartbeat
from srgan.runs.history import History
from srgan.runs.paths import Paths
from srgan.runs.progress import Progress
from srgan.train import held_out, saving
from srgan.train.state import State
from srgan.train.steps import REPORTED
from srgan.upscale.network import Upscaler

Callback = Callable[[State, bool], None]  # the state after some updates, and whether they were the last


def is_due(every: int, config: Config, state: State) -> bool:
    """Whether the state's step is one of "every `every` steps", or the stage's last."""
    return state.step % every == 0 or state.step == config.total_steps(state.stage)


class LossHistory:
    """A row of mean losses every `log_every` steps. Raises SRGANError, in every worker, if a loss is not finite.

    `paths`: None in workers that keep no files.
    """

    def __init__(self, config: Config, paths: Paths | None, state: State, progress: Progress):
        self._config, self._progress = config, progress
        columns = ("step", *REPORTED[state.stage], "learning_rate", "images_per_second")
        self._file = History(paths.history(state.stage), columns, state.history) if paths else None
        self._begun = state.step, state.seconds
        self.row: dict[str, float] = {}  # the newest

    def __call__(self, state: State, last: bool) -> None:
        if self._file:
            self._progress.tick(state.step)
        if not is_due(self._config.keeping.log_every, self._config, state):
            return
        means = state.mean_losses()
        steps, seconds = state.step - self._begun[0], state.seconds - self._begun[1]
        speed = steps * self._config.data.batch_size / max(seconds, 1e-9)
        self.row = {"step": state.step} | means | {"learning_rate": state.learning_rate, "images_per_second": speed}
        state.window, self._begun = [], (state.step, state.seconds)
        if self._file:
            self._file.append(self.row)
            state.history = self._file.text
            self._progress.row(self.row)


class Samples:
    """A strip LR | SR | HR every `sample_every` steps."""

    def __init__(self, config: Config, paths: Paths, dataset: Dataset, upscaler: Upscaler, progress: Progress):
        self._config, self._paths, self._dataset, self._upscaler, self._progress = config, paths, dataset, upscaler, progress

    def __call__(self, state: State, last: bool) -> None:
        if is_due(self._config.keeping.sample_every, self._config, state):
            path = self._paths.sample(state.stage, state.step)
            held_out.write_sample(path, self._upscaler, self._dataset)
            self._progress.sample(path)


class EventFiles:
    """Rows and strips once more, for TensorBoard. Asked after the two above."""

    def __init__(self, config: Config, paths: Paths, state: State, history: LossHistory):
        self._config, self._history = config, history
        self._events = event_files.Events(paths, state.stage, state.history)

    def __call__(self, state: State, last: bool) -> None:
        if is_due(self._config.keeping.log_every, self._config, state):
            self._events.row(self._history.row)
        if is_due(self._config.keeping.sample_every, self._config, state):
            self._events.sample(state.step)


class Checkpoints:
    """A checkpoint every `save_minutes` and at the end, then a copy of it on Drive. Asked last: it saves what the others made.

    Raises SRGANError, and saves nothing, if a loss is not finite or if another session has taken over the run.
    """

    def __init__(self, config: Config, paths: Paths, dataset: Dataset, upscaler: Upscaler, progress: Progress,
                 heartbeat: Heartbeat, copies: Mirror | None):  # fmt: skip
        self._config, self._paths, self._dataset, self._upscaler, self._progress = config, paths, dataset, upscaler, progress
        self._heartbeat, self._copies = heartbeat, copies
        self._saved = time.monotonic()

    def __call__(self, state: State, last: bool) -> None:
        if not last and (time.monotonic() - self._saved) / 60 < self._config.keeping.save_minutes:
            return
        if state.window:
            state.mean_losses()  # the network that made a loss which is not finite is not to be saved
        if self._heartbeat.lost:
            raise SRGANError("Another session has taken over this run, so this one stops; its checkpoints are untouched.")
        self._progress.saved(saving.save(self._config, self._paths, state, self._dataset, self._upscaler))
        if self._copies is not None:
            self._copies.wake()
        self._saved = time.monotonic()
