"""Adam with what half precision and several replicas add to it."""

from __future__ import annotations

import keras
import tensorflow as tf

from srgan.config import Optimization
from srgan.train import replicas


def adam(settings: Optimization, network: keras.Model) -> keras.optimizers.Optimizer:
    """Adam for `network`, its moments already made so that a checkpoint finds them; with loss scaling in float16."""
    optimizer = FusedAdam(
        learning_rate=0.0, beta_1=settings.adam_beta1, beta_2=settings.adam_beta2, epsilon=settings.adam_epsilon,
        name=f"adam_{network.name}",
    )  # fmt: skip
    if network.dtype_policy.name == "mixed_float16":
        optimizer = LossScale(optimizer, name=f"scale_{network.name}")
    optimizer.build(network.trainable_variables)
    return optimizer


def gradients(tape: tf.GradientTape, loss: tf.Tensor, network: keras.Model, optimizer: keras.optimizers.Optimizer) -> list:
    """d `loss` / d weights of `network` as `optimizer` takes them.

    In float16 they are scaled up, and scaled down again inside `apply`. The optimizer adds up what the replicas find, so
    each counts for its share.
    """
    factor = optimizer.scale_loss(tf.constant(1.0 / replicas.count()))
    return tape.gradient(loss, network.trainable_variables, output_gradients=factor)


class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam with the numbers of a weight updated in one pass over memory instead of ten."""

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.constant(self.beta_1, variable.dtype) ** step,
            beta2_power=tf.constant(self.beta_2, variable.dtype) ** step,
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )


class LossScale(keras.optimizers.LossScaleOptimizer):
    """Keras's loss scaling, where all replicas skip an update if the gradient of one of them is not finite."""

    def check_finite(self, grads):
        failed = 1.0 - tf.cast(super().check_finite(grads), tf.float32)
        context = tf.distribute.get_replica_context()
        return tf.equal(context.all_reduce(tf.distribute.ReduceOp.SUM, failed), 0.0)
