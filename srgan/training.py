"""The two stages: SRResNet on pixels, then the GAN from its weights. Stopping and resuming are the normal case.

`fit` trains one stage *until* its horizon, from the newest checkpoint if there is one; calling it again goes on.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from srgan import checkpoints, data, images, machine, metrics, mirror, weights
from srgan.config import STAGES, Config
from srgan.errors import SRGANError
from srgan.heartbeat import Heartbeat
from srgan.history import History
from srgan.paths import Paths, remove_leftovers
from srgan.progress import Progress, ago
from srgan.state import State
from srgan.steps import compile_step, learning_rate

COLUMNS = {  # of each stage's loss history
    "srresnet": ("step", "loss", "learning_rate", "images_per_second"),
    "srgan": ("step", "perceptual", "content", "adversarial", "discriminator", "d_hr", "d_sr", "learning_rate",
              "images_per_second"),
}  # fmt: skip
# Settings that may differ between a checkpoint and the run that goes on from it: how far, how often, with what arithmetic;
# and which photos, as the prepared set's key tells that.
FREE_TO_CHANGE = {"run", "preset", "dataset", "photos", "smallest_side", "pretrain_steps", "gan_steps", "precision",
                  "log_every", "sample_every", "save_minutes", "keep_checkpoints", "keep_hourly", "keep_best",
                  "deterministic"}  # fmt: skip


def fit(config: Config, paths: Paths, stage: str, progress: Progress) -> State:
    """Train `stage` until its horizon, resuming from its newest checkpoint; a stage that is done returns at once.

    Writes checkpoints and weights under model/, the loss history under loss/, sample strips under output/.
    Ctrl-C, the notebook's stop button and SIGTERM end it after the current step, with everything saved, in a
    KeyboardInterrupt. Raises SRGANError if stage srgan finds no SRResNet weights, if the checkpoint is of other
    settings, if a loss is not finite, or if a file cannot be written.
    """
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    with mirror.open_mirror(paths, progress) as copies, Heartbeat(paths.session) as heartbeat:
        remove_leftovers(paths)
        dataset = data.prepare(config, paths)
        state = resume(config, paths, stage, dataset, progress)
        horizon = config.horizon(stage)
        if state.step >= horizon:
            _export_if_missing(config, paths, state, dataset)
            progress.say(f"{stage} has reached step {state.step} of {horizon}: nothing to do.")
            return state
        progress.start(stage, state.step, horizon, config.batch_size)
        try:
            with _stop_requests() as stop:
                _loop(config, paths, state, dataset, progress, Session(copies, heartbeat, stop))
        finally:
            progress.close()
    if stop:
        raise KeyboardInterrupt(f"Stopped at step {state.step} of {horizon}, saved. Run the same again to go on.")
    return state


@dataclass(frozen=True)
class Session:
    """What reaches a running training from outside, and what leaves it."""

    copies: mirror.Mirror | None
    heartbeat: Heartbeat
    stop: list  # filled by a request to stop

    def check(self) -> None:
        """Raises SRGANError if another session has taken over this run."""
        if self.heartbeat.lost:
            raise SRGANError("Another session has taken over this run, so this one stops; its checkpoints are untouched.")


def resume(config: Config, paths: Paths, stage: str, dataset: data.Dataset, progress: Progress) -> State:
    """The state of the newest readable checkpoint of `stage`, or the state that the stage begins with."""
    if stage not in STAGES:
        raise SRGANError(f'There is no stage "{stage}"; the stages are {", ".join(STAGES)}.')
    checkpoint, complaints = checkpoints.newest(paths.checkpoints, stage)
    for complaint in complaints:
        progress.say(complaint)
    if checkpoint is not None:
        _refuse_other_settings(config, checkpoint, dataset)
        state = State(config, stage)
        state.load(checkpoint)
        progress.say(f"Going on from {checkpoint.path.name}, saved {checkpoint.about['saved']}.")
        return state
    state = State(config, stage)
    if stage == "srgan":
        _begin_from_srresnet(state, paths)
    return state


def standing(config: Config, paths: Paths) -> str:
    """Where the run stands, in one sentence, from its checkpoints."""
    parts = []
    for stage, name in STAGES.items():
        newest = next(checkpoints.about(paths.checkpoints, stage), None)
        if newest is None:
            parts.append(f"{name} not begun")
        elif newest["step"] >= config.horizon(stage):
            parts.append(f"{name} done at step {newest['step']:,}")
        else:
            saved = ago(time.time() - datetime.datetime.fromisoformat(newest["saved"]).timestamp())
            parts.append(f"{name} at step {newest['step']:,} of {config.horizon(stage):,}, saved {saved}")
    return "; ".join(parts) + "."


def _loop(config, paths: Paths, state: State, dataset, progress: Progress, session: Session) -> None:
    """Step, log, sample and save until the horizon or a request to stop."""
    stage, horizon = state.stage, config.horizon(state.stage)
    step = compile_step(config, state)
    history = History(paths.history(stage), COLUMNS[stage], state.history)
    clock = last_save = time.monotonic()
    timed = 0  # steps since `clock` was read
    at_end = False  # decided once a step: a signal that comes while files are written still finds its work saved
    while not at_end:
        rate = learning_rate(config, stage, state.step)
        for optimizer in (state.g_optimizer, state.d_optimizer):
            if optimizer is not None:
                optimizer.learning_rate = rate
        lr, hr = dataset.batch(state.step)
        state.window.append(step(tf.constant(state.step, tf.int64), tf.constant(lr), tf.constant(hr)))
        state.step += 1
        timed += 1

        at_end = state.step == horizon or bool(session.stop)
        save_is_due = at_end or (time.monotonic() - last_save) / 60 >= config.save_minutes
        if save_is_due or state.step % config.log_every == 0:
            means = mean_losses(state)
            elapsed, clock = time.monotonic() - clock, time.monotonic()
            state.seconds += elapsed
            speed, timed = timed * config.batch_size / elapsed, 0
        if state.step == horizon or state.step % config.log_every == 0:
            row = {"step": state.step} | means | {"learning_rate": rate, "images_per_second": speed}
            history.append(row)
            state.history = history.text
            progress.row(row)
            state.window = []
        if state.step == horizon or state.step % config.sample_every == 0:
            write_sample(paths.sample(stage, state.step), state, dataset)
            progress.sample(paths.sample(stage, state.step))
        if save_is_due:
            session.check()
            progress.saved(save(config, paths, state, dataset))
            if session.copies is not None:
                session.copies.wake()
            last_save = time.monotonic()


def mean_losses(state: State) -> dict[str, float]:
    """The mean losses since the last row of the history. Raises SRGANError if one is not finite."""
    state.window = [{name: float(value) for name, value in step.items()} for step in state.window]
    means = {name: float(np.mean([step[name] for step in state.window])) for name in state.window[0]}
    for name, value in means.items():
        if not math.isfinite(value):
            raise SRGANError(
                f"The {name} loss became {value} between steps {state.step - len(state.window)} and {state.step}. "
                "Nothing of it was saved: the last checkpoint is good. Lower the learning rate and run the same again."
            )
    return means


def save(config: Config, paths: Paths, state: State, dataset: data.Dataset) -> Path:
    """Write checkpoint and weights of `state`; returns the checkpoint's path."""
    about = _card(config, state, dataset)
    everything = about | {
        "history": state.history,
        "window": state.window,
        "config": config.to_dict(),
        "data": dataset.key,
        "versions": machine.versions(),
    }
    arrays = {name: variable.numpy() for name, variable in state.variables().items()}
    keep = config.keep_checkpoints, config.keep_hourly, config.keep_best
    path = checkpoints.save(paths.checkpoints, arrays, everything, *keep)
    weights.save(paths.weights(state.stage), state.generator, config, about)
    return path


def _card(config: Config, state: State, dataset: data.Dataset) -> dict:
    """What weights and checkpoints both say of themselves."""
    return {
        "preset": config.preset,
        "stage": state.stage,
        "step": state.step,
        "seconds": round(state.seconds, 1),
        "metrics": held_out_metrics(state, dataset),
        "saved": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "commit": machine.commit(),
    }


def _export_if_missing(config: Config, paths: Paths, state: State, dataset: data.Dataset) -> None:
    """Write the weights of a finished stage again if they are gone, damaged or of another step."""
    try:
        whole = weights.card(paths.weights(state.stage))["step"] == state.step
    except SRGANError:
        whole = False
    if not whole:
        weights.save(paths.weights(state.stage), state.generator, config, _card(config, state, dataset))


def write_sample(path: Path, state: State, dataset: data.Dataset) -> None:
    """A strip LR | SR | HR of crops of three held-out photos."""
    sheets = [images.strip({"LR": lr, "SR": state.upscale(lr), "HR": hr}, height=256) for lr, hr in held_out_crops(dataset, 3)]
    images.save_png(path, images.stack(sheets))


def held_out_metrics(state: State, dataset: data.Dataset) -> dict[str, float]:
    """Mean PSNR-Y on crops of held-out photos, few enough to be measured at every save."""
    scores = [metrics.psnr_y(hr, state.upscale(lr)) for lr, hr in held_out_crops(dataset, 8)]
    return {"psnr_y": round(float(np.mean(scores)), 4), "crops": len(scores)}


def held_out_crops(dataset: data.Dataset, count: int, size: int = 128) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """LR and HR, uint8, of the middles of the first `count` held-out photos."""
    for i in range(min(count, len(dataset.test))):
        _, hr = dataset.test.pair(i)
        hr = images.centre_crop(hr, min(size, *hr.shape[:2]))
        yield images.degrade(hr), hr


def _begin_from_srresnet(state: State, paths: Paths) -> None:
    """Give the generator the weights of stage srresnet."""
    path = paths.weights("srresnet")
    if not path.is_file():
        raise SRGANError(
            f"{path.parent} has no SRResNet weights yet, and the GAN starts from them: "
            "run notebook 02 first (python -m srgan pretrain in the shell)."
        )
    weights.card(path)
    state.generator.load_weights(path)


def _refuse_other_settings(config: Config, checkpoint: checkpoints.Checkpoint, dataset: data.Dataset) -> None:
    theirs, ours = checkpoint.about["config"], config.to_dict()
    differing = [
        f"{name} (there {theirs.get(name)}, here {value})"
        for name, value in ours.items()
        if name not in FREE_TO_CHANGE and theirs.get(name) != value
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
