"""All that training changes: networks, optimizers, step, history. What a checkpoint holds, and becomes again."""

from __future__ import annotations

import keras
import tensorflow as tf

from srgan.config import Config
from srgan.errors import SRGANError
from srgan.models import networks as models
from srgan.models import precision
from srgan.runs import checkpoints
from srgan.train import replicas
from srgan.upscale import network as upscale


class State:
    """All that training changes: the networks and optimizers of one stage, and how far it has come."""

    def __init__(self, config: Config, stage: str):
        keras.utils.set_random_seed(config.seed)
        self.stage, self.step = stage, 0
        self.seconds = 0.0  # of training so far
        self.history = ""  # the text of the loss history
        self.before: list[dict] = []  # the trainings that the generator's first weights came from, oldest first
        self.window: list[dict] = []  # the losses since its last row: of each call, a number for each step
        with replicas.strategy().scope(), precision.policy(precision.resolve(config.optimization.precision)):
            self.generator = models.generator(config)
            self.discriminator = models.discriminator(config) if stage != "srresnet" else None
            self.g_optimizer = _adam(config, self.generator) if stage != "discriminator" else None
            self.d_optimizer = _adam(config, self.discriminator) if stage != "srresnet" else None
        self.upscale = upscale.network(self.generator)

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
        self.before = checkpoint.about.get("before", [])  # older checkpoints do not say


class LossScale(keras.optimizers.LossScaleOptimizer):
    """Keras's loss scaling, where all replicas pass over an update if the gradient of one of them is not finite."""

    def check_finite(self, grads):
        failed = 1.0 - tf.cast(super().check_finite(grads), tf.float32)
        context = tf.distribute.get_replica_context()
        return tf.equal(context.all_reduce(tf.distribute.ReduceOp.SUM, failed), 0.0)


def _adam(config: Config, network: keras.Model) -> keras.optimizers.Optimizer:
    """Adam with its moments already made, so that restoring finds them; with loss scaling in float16."""
    optimizer = keras.optimizers.Adam(
        learning_rate=0.0,
        beta_1=config.optimization.adam_beta1,
        epsilon=config.optimization.adam_epsilon,
        name=f"adam_{network.name}",
    )
    if network.dtype_policy.name == "mixed_float16":
        optimizer = LossScale(optimizer, name=f"scale_{network.name}")
    optimizer.build(network.trainable_variables)
    return optimizer
