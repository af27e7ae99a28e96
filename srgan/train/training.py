"""Training: a loop over batches, and what surrounds it. Stopping and resuming are the normal case.

`fit` trains one stage *until* its total number of steps, from the newest checkpoint if there is one; calling it again goes on.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from srgan.config import STAGES, Config
from srgan.data.dataset import Dataset
from srgan.data.preparation import prepare
from srgan.errors import SRGANError, Stopped
from srgan.runs import drive
from srgan.runs.paths import Paths, remove_leftovers
from srgan.runs.progress import Progress
from srgan.train import perceptual_features, replicas, saving
from srgan.train.batches_ahead import BatchesAhead
from srgan.train.callbacks import Callback, Checkpoints, EventFiles, LossHistory, Samples
from srgan.train.compiled import Update, compile_updates
from srgan.train.resuming import resume
from srgan.train.schedule import learning_rate
from srgan.train.state import State
from srgan.train.steps import Features
from srgan.upscale import ensemble, network

# A closed terminal stops a training as Ctrl-C does; Windows knows no SIGHUP.
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def train(config: Config, state: State, dataset: Dataset, update: Update, callbacks: list[Callback], stop: list) -> None:
    """Update the networks until the stage's total number of steps, or until something is in `stop`."""
    state.start_clock()
    last = False
    with BatchesAhead(config, state, dataset) as batches:
        while not last:
            lr, hr = batches.take()  # of several steps
            rates = [learning_rate(config, state.stage, state.step + i) for i in range(len(lr))]
            losses = update(tf.constant(state.step, tf.int64), tf.constant(rates), tf.constant(lr), tf.constant(hr))
            state.advance(len(lr), rates[-1], losses)
            # Decided once a call: a signal that comes while files are written still finds its work saved.
            last = replicas.any_worker(bool(stop)) or state.step == config.total_steps(state.stage)
            for callback in callbacks:
                callback(state, last)


def fit(config: Config, paths: Paths, stage: str, progress: Progress) -> State:
    """Train `stage` up to its total number of steps, resuming from its newest checkpoint; a finished stage returns at once.

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
    total = config.total_steps(stage)
    if total == 0:
        progress.say(f"This run leaves out stage {stage}: nothing to do.")
        return State(config, stage)
    with _run_files(paths, progress) as (copies, heartbeat), replicas.lost_workers_told():
        dataset = replicas.chief_first(lambda: prepare(config, paths, ensemble.teacher(config)))
        state = resume(config, paths, stage, dataset, progress)
        upscaler = network.network(state.result)
        if state.step >= total:
            if replicas.is_chief():
                saving.export_if_missing(config, paths, state, dataset, upscaler)
            progress.finished(stage, state.step, total)
            return state
        if heartbeat:
            state.line = [*state.line, {"life": heartbeat.session, "begun": state.step}]
        progress.start(stage, state.step, total, config.data.batch_size)
        try:
            with _stop_requests() as stop:
                features = stage_features(config, state, paths.features)
                callbacks = _callbacks(config, paths, state, dataset, upscaler, progress, heartbeat, copies)
                train(config, state, dataset, compile_updates(config, state, features), callbacks, stop)
        finally:
            progress.close()
    if stop or state.step < total:
        raise Stopped(f"Stopped at step {state.step} of {total}, saved. Run the same again to go on.")
    return state


def stage_features(config: Config, state: State, folder: Path) -> Features | None:
    """What the content loss of the state's stage compares; None where that is pixels. `folder`: for weights that are fetched."""
    content = {"srresnet": config.loss.pretrain_content, "discriminator": "pixels", "srgan": config.loss.content}[state.stage]
    dtype = state.compute_dtype if config.optimization.feature_precision == "run" else "float32"
    return perceptual_features.load(content, config.loss.content_scale, folder, dtype)


def _callbacks(config, paths: Paths, state: State, dataset, upscaler, progress, heartbeat, copies) -> list[Callback]:
    """In order: the later ones use what the earlier ones made."""
    if not replicas.is_chief():  # another worker keeps the files
        return [LossHistory(config, None, state, progress)]
    history = LossHistory(config, paths, state, progress)
    found: list[Callback] = [history, Samples(config, paths, dataset, upscaler, progress)]
    if config.keeping.tensorboard:
        found.append(EventFiles(config, paths, state, history))
    return [*found, Checkpoints(config, paths, dataset, upscaler, progress, heartbeat, copies)]


@contextlib.contextmanager
def _run_files(paths: Paths, progress: Progress) -> Iterator[tuple]:
    """The run's files are this session's: the copy on Drive, if there is one, and the heartbeat. Not for later workers."""
    if not replicas.is_chief():
        yield None, None
        return
    with drive.open_run(paths, progress) as (copies, heartbeat):
        remove_leftovers(paths)
        yield copies, heartbeat


def _is_nohup(number: int) -> bool:
    """Whether the signal tells of a closed terminal that shall not matter."""
    return number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) is signal.SIG_IGN


@contextlib.contextmanager
def _stop_requests() -> Iterator[list]:
    """A list that a first signal of STOPPING fills; one that comes a second or more later interrupts at once."""
    received: list[float] = []

    def request(number, frame):
        if received and time.monotonic() - received[0] > 1.0:
            raise KeyboardInterrupt
        received.append(time.monotonic())

    try:
        before = {number: signal.signal(number, request) for number in STOPPING if not _is_nohup(number)}
    except ValueError:  # not in the main thread: signals do not come here
        before = {}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
