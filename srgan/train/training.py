"""The two stages: SRResNet on pixels, then the GAN from its weights. Stopping and resuming are the normal case.

`fit` trains one stage *until* its horizon, from the newest checkpoint if there is one; calling it again goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from srgan.config import STAGES, Config, fields
from srgan.data import preparation
from srgan.data.dataset import Dataset
from srgan.errors import SRGANError, Stopped
from srgan.runs import checkpoints, weights
from srgan.runs import drive as mirror
from srgan.runs import event_files as events
from srgan.runs.heartbeat import Heartbeat
from srgan.runs.history import History
from srgan.runs.paths import Paths, remove_leftovers
from srgan.runs.progress import Progress
from srgan.train import records, replicas
from srgan.train.state import State
from srgan.train.steps import LOSSES, compile_steps, learning_rate
from srgan.upscale import ensemble

# Of each stage's loss history.
COLUMNS = {stage: ("step", *reported, "learning_rate", "images_per_second") for stage, reported in LOSSES.items()}
SECONDS_PER_CALL = 0.5  # the device works on its own for so long at most (but a step at least): a request to stop waits


def fit(config: Config, paths: Paths, stage: str, progress: Progress) -> State:
    """Train `stage` until its horizon, resuming from its newest checkpoint; a stage that is done returns at once.

    Writes checkpoints and weights under model/, the loss history under loss/, sample strips under output/; of several
    workers the first does. Ctrl-C, the notebook's stop button and SIGTERM end it after the current steps, with
    everything saved, in a Stopped (a KeyboardInterrupt). Raises SRGANError if stage srgan finds no SRResNet weights, if `initial`
    names none that fit, if the checkpoint is of other settings, if a loss is not finite, if a file cannot be written,
    or if another worker dies.
    """
    if stage not in STAGES:
        raise SRGANError(f'There is no stage "{stage}"; the stages are {", ".join(STAGES)}.')
    replicas.refuse_uneven(config.data.batch_size)
    if config.optimization.deterministic:
        tf.config.experimental.enable_op_determinism()
    if config.total_steps(stage) == 0:
        progress.say(f"This run leaves out stage {stage}: nothing to do.")
        return State(config, stage)
    with _files(paths, progress) as (copies, heartbeat), replicas.deaths_told():
        dataset = replicas.chief_first(lambda: preparation.prepare(config, paths, ensemble.teacher(config)))
        state = resume(config, paths, stage, dataset, progress)
        horizon = config.total_steps(stage)
        if state.step >= horizon:
            if replicas.is_chief():
                records.export_if_missing(config, paths, state, dataset)
            progress.say(f"{stage} has reached step {state.step} of {horizon}: nothing to do.")
            return state
        progress.start(stage, state.step, horizon, config.data.batch_size)
        try:
            with _stop_requests() as stop:
                _loop(config, paths, state, dataset, progress, Session(copies, heartbeat, stop))
        finally:
            progress.close()
    if stop or state.step < horizon:
        raise Stopped(f"Stopped at step {state.step} of {horizon}, saved. Run the same again to go on.")
    return state


@contextlib.contextmanager
def _files(paths: Paths, progress: Progress) -> Iterator[tuple]:
    """The run's files are this session's: the copy on Drive, if there is one, and the heartbeat. Not for later workers."""
    if not replicas.is_chief():
        yield None, None
        return
    with mirror.open_mirror(paths, progress) as copies, Heartbeat(paths.session) as heartbeat:
        remove_leftovers(paths)
        yield copies, heartbeat


@dataclass(frozen=True)
class Session:
    """What reaches a running training from outside, and what leaves it."""

    copies: mirror.Mirror | None
    heartbeat: Heartbeat | None
    stop: list  # filled by a request to stop

    def check(self) -> None:
        """Raises SRGANError if another session has taken over this run."""
        if self.heartbeat.lost:
            raise SRGANError("Another session has taken over this run, so this one stops; its checkpoints are untouched.")


def resume(config: Config, paths: Paths, stage: str, dataset: Dataset, progress: Progress) -> State:
    """The state of the newest readable checkpoint of `stage`, or the state that the stage begins with.

    Of several workers the first reads it, and the others get it from there.
    """
    state = State(config, stage)
    if replicas.is_chief():
        _read(config, paths, state, dataset, progress)
    key = int(hashlib.sha256(dataset.key.encode()).hexdigest()[:12], 16)
    state.step, chiefs_key = replicas.from_chief([state.step, key])
    if key != chiefs_key:
        raise SRGANError(f"This worker has other photos ({dataset.folder}) than the first one. Give all workers the same.")
    replicas.copy_from_chief(list(state.variables().values()))
    return state


def _read(config: Config, paths: Paths, state: State, dataset: Dataset, progress: Progress) -> None:
    """Give `state` what the newest checkpoint of its stage holds, or what the stage begins from."""
    checkpoint, complaints = checkpoints.newest(paths.checkpoints, state.stage)
    for complaint in complaints:
        progress.say(complaint)
    if checkpoint is not None:
        _refuse_other_settings(config, checkpoint, dataset)
        state.load(checkpoint)
        progress.say(f"Going on from {checkpoint.path.name}, saved {checkpoint.about['saved']}.")
    else:
        _begin_from_earlier_stages(config, paths, state)


def _loop(config, paths: Paths, state: State, dataset, progress: Progress, session: Session) -> None:
    """Step, log, sample and save until the horizon or a request to stop."""
    stage, horizon, pace = state.stage, config.total_steps(state.stage), Pace()
    history = History(paths.history(stage), COLUMNS[stage], state.history) if replicas.is_chief() else None
    board = events.Events(paths, stage, state.history) if history and config.keeping.tensorboard else None
    last_save = time.monotonic()
    for rate in _updates(config, state, dataset, paths, pace):
        if history is not None:  # else another worker tells
            progress.tick(state.step)
        # Decided once a call: a signal that comes while files are written still finds its work saved.
        at_end = replicas.any_worker(bool(session.stop)) or state.step == horizon
        save_is_due = at_end or (time.monotonic() - last_save) / 60 >= config.keeping.save_minutes
        if save_is_due or state.step % config.keeping.log_every == 0:
            means, speed = mean_losses(state), pace.lap(state, config.data.batch_size)
        if state.step == horizon or state.step % config.keeping.log_every == 0:
            row = {"step": state.step} | means | {"learning_rate": rate, "images_per_second": speed}
            state.window = []
            if history is not None:
                history.append(row)
                state.history = history.text
                progress.row(row)
                if board:
                    board.row(row)
        if history is not None:  # else another worker keeps the files
            if state.step == horizon or state.step % config.keeping.sample_every == 0:
                records.write_sample(paths.sample(stage, state.step), state, dataset)
                progress.sample(paths.sample(stage, state.step))
                if board:
                    board.sample(state.step)
            if save_is_due:
                session.check()
                progress.saved(records.save(config, paths, state, dataset))
                if session.copies is not None:
                    session.copies.wake()
                last_save = time.monotonic()
        if at_end:
            return


class Pace:
    """How fast training goes, and how many steps the device may take without the host."""

    def __init__(self):
        self.per_call = 1
        self._clock, self._steps = time.monotonic(), 0

    def stepped(self, count: int) -> None:
        self._steps += count

    def lap(self, state: State, batch_size: int) -> float:
        """Images a second since the last lap, whose seconds are added to the state's."""
        elapsed, self._clock = time.monotonic() - self._clock, time.monotonic()
        state.seconds += elapsed
        if not replicas.several_workers():  # they would have to agree
            self.per_call = max(1, int(SECONDS_PER_CALL * self._steps / elapsed))
        speed, self._steps = self._steps * batch_size / elapsed, 0
        return speed


def _updates(config: Config, state: State, dataset: Dataset, paths: Paths, pace: Pace) -> Iterator[float]:
    """Train up to the horizon, several steps a call; yields the learning rate of the last one after each call.

    A thread makes the next batches while the device works on these.
    """
    run = compile_steps(config, state, paths.features)
    with ThreadPoolExecutor(1, "batches") as thread:

        def ahead(step: int) -> Future:
            return thread.submit(dataset.batches, step, steps_to_event(config, state.stage, step, pace.per_call))

        coming = ahead(state.step)
        while state.step < config.total_steps(state.stage):
            lr, hr = coming.result()
            rates = [learning_rate(config, state.stage, state.step + i) for i in range(len(lr))]
            coming = ahead(state.step + len(lr))
            state.window.append(run(tf.constant(state.step, tf.int64), tf.constant(rates), tf.constant(lr), tf.constant(hr)))
            state.step += len(lr)
            pace.stepped(len(lr))
            yield rates[-1]


def steps_to_event(config: Config, stage: str, step: int, most: int) -> int:
    """How many steps can be taken from `step` on without passing a row, a sample or the horizon; at most `most`."""
    ends = (
        config.total_steps(stage) - step,
        *(every - step % every for every in (config.keeping.log_every, config.keeping.sample_every)),
    )
    return min(most, *ends)


def mean_losses(state: State) -> dict[str, float]:
    """The mean losses since the last row of the history. Raises SRGANError if one is not finite."""
    state.window = [{name: np.asarray(values).tolist() for name, values in call.items()} for call in state.window]
    values = {name: [value for call in state.window for value in call[name]] for name in state.window[0]}
    means = {name: float(np.mean(values[name])) for name in values}
    for name, value in means.items():
        if not math.isfinite(value):
            raise SRGANError(
                f"The {name} loss became {value} between steps {state.step - len(values[name])} and {state.step}. "
                "Nothing of it was saved: the last checkpoint is good. Lower the learning rate and run the same again."
            )
    return means


def _begin_from_earlier_stages(config: Config, paths: Paths, state: State) -> None:
    """Give the generator the weights of stage srresnet, and D those of stage discriminator, where the run has them.

    The first stage begins from the weights that `initial` names.
    """
    if state.stage != "srresnet" and "srresnet" in config.stages:
        _begin_from_weights(config, _srresnet_weights(paths), state)
    elif config.optimization.initial:
        _begin_from_weights(config, weights.find(config.optimization.initial), state)
    if state.stage == "srgan" and "discriminator" in config.stages:
        _begin_from_discriminator(config, paths, state)


def _begin_from_discriminator(config: Config, paths: Paths, state: State) -> None:
    checkpoint, _ = checkpoints.newest(paths.checkpoints, "discriminator")
    if checkpoint is None or checkpoint.step < config.optimization.discriminator_steps:
        raise SRGANError(
            f"{paths.checkpoints} has no finished discriminator, and this run's GAN starts from one: "
            "train stage discriminator first (notebook 03, or python -m srgan train, does both in order)."
        )
    for variable in state.discriminator.variables:
        variable.assign(checkpoint.arrays[f"discriminator/{variable.path}"])


def _srresnet_weights(paths: Paths) -> Path:
    path = paths.weights("srresnet")
    if not path.is_file():
        raise SRGANError(
            f"{path.parent} has no SRResNet weights yet, and the GAN starts from them: "
            "run notebook 02 first (python -m srgan pretrain in the shell)."
        )
    return path


def _begin_from_weights(config: Config, path: Path, state: State) -> None:
    card = weights.load_into(state.generator, path, config)
    state.before = [*card["before"], {key: card[key] for key in ("stage", "step", "seconds", "settings", "commit", "machine")}]


def _refuse_other_settings(config: Config, checkpoint: checkpoints.Checkpoint, dataset: Dataset) -> None:
    theirs = Config().flat() | checkpoint.about["config"]  # a setting that did not exist yet was as the default is
    ours = config.flat()
    differing = [
        f"{name} (there {theirs[name]}, here {ours[name]})"
        for name, _, field in fields()
        if not field.metadata["may_change"] and theirs[name] != ours[name]
    ]
    if checkpoint.about["data"] != dataset.key:
        differing.append(f"the photos (there {checkpoint.about['data']}, here {dataset.key})")
    if differing:
        raise SRGANError(
            f"{checkpoint.path} is of other settings: {'; '.join(differing)}. "
            'Go back to the old ones, or begin anew beside it under another name (run = "NAME").'
        )


@contextlib.contextmanager
def _stop_requests() -> Iterator[list]:
    """A list that a first SIGINT or SIGTERM fills; one that comes a second or more later interrupts at once."""
    received: list[float] = []

    def request(number, frame):
        if received and time.monotonic() - received[0] > 1.0:
            raise KeyboardInterrupt
        received.append(time.monotonic())

    try:
        before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: signals do not come here
        before = {}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
