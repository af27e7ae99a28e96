"""The two stages: SRResNet on pixels, then the GAN from its weights. Stopping and resuming are the normal case.

`fit` trains one stage *until* its horizon, from the newest checkpoint if there is one; calling it again goes on.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from srgan import checkpoints, data, images, losses, machine, metrics, mirror, models, precision, upscale, weights
from srgan.config import STAGES, Config
from srgan.errors import SRGANError
from srgan.features import Features, features
from srgan.heartbeat import Heartbeat
from srgan.history import History
from srgan.paths import Paths, remove_leftovers
from srgan.progress import Progress, ago

COLUMNS = {  # of each stage's loss history
    "srresnet": ("step", "loss", "learning_rate", "images_per_second"),
    "srgan": ("step", "perceptual", "content", "adversarial", "discriminator", "d_hr", "d_sr", "learning_rate",
              "images_per_second"),
}  # fmt: skip
# Settings that may differ between a checkpoint and the run that goes on from it: how far, how often, with what arithmetic.
FREE_TO_CHANGE = {"run", "preset", "dataset", "pretrain_steps", "gan_steps", "precision", "log_every", "sample_every",
                  "save_minutes", "keep_checkpoints", "keep_hourly", "keep_best", "deterministic"}  # fmt: skip

Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]


class State:
    """All that training changes: the networks and optimizers of one stage, and how far it has come."""

    def __init__(self, config: Config, stage: str):
        keras.utils.set_random_seed(config.seed)
        self.stage, self.step = stage, 0
        self.seconds = 0.0  # of training so far
        self.history = ""  # the text of the loss history
        self.window: list[dict] = []  # the losses of each step since its last row
        with precision.policy(precision.resolve(config.precision)):
            self.generator = models.generator(config)
            self.discriminator = models.discriminator(config) if stage == "srgan" else None
        self.upscale = upscale.network(self.generator)
        self.g_optimizer = _adam(config, self.generator)
        self.d_optimizer = _adam(config, self.discriminator) if stage == "srgan" else None

    def variables(self) -> dict[str, tf.Variable]:
        """Everything to save, by a name that is the same in every process."""
        found = {}
        for name, part in (("generator", self.generator), ("discriminator", self.discriminator),
                           ("g_optimizer", self.g_optimizer), ("d_optimizer", self.d_optimizer)):  # fmt: skip
            if isinstance(part, keras.optimizers.LossScaleOptimizer):
                found |= {f"{name}_{variable.name}": variable for variable in (part.step_counter, part.dynamic_scale)}
                part = part.inner_optimizer
            if part is not None:
                found |= {f"{name}/{variable.path}": variable for variable in part.variables}
        return found

    def load(self, checkpoint: checkpoints.Checkpoint) -> None:
        """Become what was saved, on whatever hardware. Raises SRGANError if the checkpoint is of other networks."""
        for name, variable in self.variables().items():
            array = checkpoint.arrays.get(name)
            if array is None and name.endswith(("_step_counter", "_dynamic_scale")):
                continue  # saved by a machine that needs no loss scale: it begins anew
            if array is None or array.shape != variable.shape:
                raise SRGANError(f"{checkpoint.path} does not fit this version's networks: {name} differs or is missing.")
            variable.assign(array)
        self.step, self.seconds = checkpoint.step, checkpoint.about["seconds"]
        self.history, self.window = checkpoint.about["history"], checkpoint.about["window"]


def pretrain_step(config: Config, state: State, _features: Features | None = None) -> Step:
    """One SRResNet update on a batch: (step, LR [0, 1], HR [-1, 1]) -> its losses."""
    generator, optimizer = state.generator, state.g_optimizer

    def step(_, lr, hr):
        with tf.GradientTape() as tape:
            loss = losses.pixel_loss(config, hr, generator(lr, training=True))
            scaled = optimizer.scale_loss(loss)
        optimizer.apply(tape.gradient(scaled, generator.trainable_variables), generator.trainable_variables)
        return {"loss": loss}

    return step


def gan_step(config: Config, state: State, features: Features | None) -> Step:
    """One joint update of both networks: G runs once, D once on HR and once on SR, features once on each."""
    generator, discriminator = state.generator, state.discriminator
    g_optimizer, d_optimizer = state.g_optimizer, state.d_optimizer

    def step(index, lr, hr):
        real = losses.labels(config, config.real_label, index, 0)
        fake = losses.labels(config, config.fake_label, index, 1)
        wanted = losses.labels(config, config.generator_label, index, 2)

        with tf.GradientTape(persistent=True) as tape:
            sr = generator(lr, training=True)
            hr_logits = discriminator(hr, training=True)
            sr_logits = discriminator(sr, training=True)

            # D learns to tell HR from SR ...
            d_loss = losses.discriminator_loss(hr_logits, sr_logits, real, fake)
            d_scaled = d_optimizer.scale_loss(d_loss)

            # ... and G to be like HR in content while D takes its work for HR.
            content = losses.content_loss(config, features, hr, sr)
            adversarial = losses.adversarial_loss(sr_logits, wanted)
            g_loss = content + config.adversarial_weight * adversarial
            if config.total_variation_weight:
                g_loss += config.total_variation_weight * losses.total_variation(sr)
            g_scaled = g_optimizer.scale_loss(g_loss)

        # Both gradients are taken before either network moves.
        d_gradients = tape.gradient(d_scaled, discriminator.trainable_variables)
        g_gradients = tape.gradient(g_scaled, generator.trainable_variables)
        d_optimizer.apply(d_gradients, discriminator.trainable_variables)
        g_optimizer.apply(g_gradients, generator.trainable_variables)

        d_hr, d_sr = tf.reduce_mean(tf.sigmoid(hr_logits)), tf.reduce_mean(tf.sigmoid(sr_logits))
        return {"perceptual": g_loss, "content": content, "adversarial": adversarial,
                "discriminator": d_loss, "d_hr": d_hr, "d_sr": d_sr}  # fmt: skip

    return step


STEPS = {"srresnet": pretrain_step, "srgan": gan_step}


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


def learning_rate(config: Config, stage: str, step: int) -> float:
    """The learning rate of update `step` (0 is the first): linear warm-up, then the stage's schedule."""
    pretraining = stage == "srresnet"
    peak = config.pretrain_learning_rate if pretraining else config.gan_learning_rate
    schedule = config.pretrain_schedule if pretraining else config.gan_schedule
    done = min(step / max(config.horizon(stage), 1), 1.0)
    warmth = min((step + 1) / (config.warmup_steps + 1), 1.0)
    decay = {
        "constant": 1.0,
        "cosine": 0.5 + 0.5 * math.cos(math.pi * done),
        "step": 1.0 if done < 0.5 else 0.1,
    }[schedule]
    return peak * warmth * decay


def compile_step(config: Config, state: State) -> Step:
    """The stage's step as one traced function of (step, LR uint8, HR uint8)."""
    step = STEPS[state.stage](config, state, features(config) if state.stage == "srgan" else None)

    @tf.function
    def compiled(index, lr, hr):
        return step(index, tf.cast(lr, tf.float32) / 255.0, tf.cast(hr, tf.float32) / 127.5 - 1.0)

    return compiled


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


def _adam(config: Config, network: keras.Model) -> keras.optimizers.Optimizer:
    """Adam with its moments already made, so that restoring finds them; with loss scaling in float16."""
    optimizer = keras.optimizers.Adam(
        learning_rate=0.0, beta_1=config.adam_beta1, epsilon=config.adam_epsilon, name=f"adam_{network.name}"
    )
    if network.dtype_policy.name == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name=f"scale_{network.name}")
    optimizer.build(network.trainable_variables)
    return optimizer


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
