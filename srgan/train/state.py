"""All that training changes: networks, optimizers, step, history. What a checkpoint holds, and becomes again."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from srgan.config import Config
from srgan.errors import SRGANError
from srgan.models import networks, precision
from srgan.train import replicas, weight_average
from srgan.train.optimizers import LossScale, adam

if TYPE_CHECKING:
    from srgan.runs.checkpoints import Checkpoint


class State:
    """The networks and optimizers of one stage, how far it has come, and the losses since the last row of its history."""

    def __init__(self, config: Config, stage: str):
        keras.utils.set_random_seed(config.seed % 2**32)  # NumPy takes no more
        self.stage, self.step = stage, 0
        self.seconds = 0.0  # of training so far
        self.history = ""  # the text of the loss history
        self.provenance: list[dict] = []  # the trainings that the generator's first weights came from, oldest first
        self.line: list[dict] = []  # the sessions that trained it, oldest first (srgan/runs/checkpoints.py)
        self.window: list[dict] = []  # the losses since the last row: of each call, a number for each step
        self.learning_rate = 0.0  # of the last update
        with replicas.strategy().scope(), precision.policy(precision.resolve(config.optimization.precision)):
            self.generator = networks.generator(config)
            self.average = weight_average.average(config, stage)
            self.discriminator = networks.discriminator(config) if stage != "srresnet" else None
            self.g_optimizer = adam(config.optimization, self.generator) if stage != "discriminator" else None
            self.d_optimizer = adam(config.optimization, self.discriminator) if stage != "srresnet" else None
        self._clock = time.monotonic()

    @property
    def result(self) -> keras.Model:
        """The generator to export and to measure: the mean of its weights over time where the run keeps one."""
        return self.average or self.generator

    @property
    def compute_dtype(self) -> str:
        """The type of number that the networks compute in."""
        return self.generator.dtype_policy.compute_dtype

    def advance(self, count: int, learning_rate: float, losses: dict) -> None:
        """`count` updates were made, the last one at `learning_rate`; `losses` as `compiled.Update` returns them."""
        self.step += count
        self.learning_rate = learning_rate
        self.window.append(losses)
        elapsed, self._clock = time.monotonic() - self._clock, time.monotonic()
        self.seconds += elapsed

    def start_clock(self) -> None:
        """Seconds of training count from now."""
        self._clock = time.monotonic()

    def mean_losses(self) -> dict[str, float]:
        """The mean losses since the last row of the history. Raises SRGANError if one is not finite."""
        self.window = [{name: np.asarray(values).tolist() for name, values in call.items()} for call in self.window]
        values = {name: [value for call in self.window for value in call[name]] for name in self.window[0]}
        means = {name: float(np.mean(values[name])) for name in values}
        for name, value in means.items():
            if not math.isfinite(value):
                raise SRGANError(
                    f"The {name} loss became {value} between steps {self.step - len(values[name])} and {self.step}. "
                    "Nothing of it was saved: the last checkpoint is good. Lower the learning rate and run the same again."
                )
        return means

    def variables(self) -> dict[str, tf.Variable]:
        """Everything to save, by a name that is the same in every process."""
        found = {}
        for name, part in (("generator", self.generator), ("ema", self.average), ("discriminator", self.discriminator),
                           ("g_optimizer", self.g_optimizer), ("d_optimizer", self.d_optimizer)):  # fmt: skip
            if isinstance(part, LossScale):
                found |= {f"{name}_{variable.name}": variable for variable in (part.step_counter, part.dynamic_scale)}
                part = part.inner_optimizer
            if part is not None:
                found |= {f"{name}/{variable.path}": variable for variable in part.variables}
        return found

    def load(self, checkpoint: Checkpoint) -> None:
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
        about = checkpoint.about  # older checkpoints do not say:
        self.provenance, self.line = about.get("before", []), about.get("line", [])
