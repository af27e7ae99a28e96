"""The devices that train one network together: all GPUs of this machine, or the machines that TF_CONFIG names.

Every replica takes an equal part of each batch, and every worker makes the whole batch for itself: a batch is a pure
function of seed and step, so nothing but gradients and batch statistics travels.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import tensorflow as tf

from srgan.errors import SRGANError

Made = TypeVar("Made")

# What TensorFlow raises in the workers that are left when one has died.
_LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError,
         tf.errors.DeadlineExceededError, tf.errors.FailedPreconditionError)  # fmt: skip


@functools.cache
def strategy() -> tf.distribute.Strategy:
    """Workers if TF_CONFIG names more than one, else all GPUs if there are several, else the one device there is.

    With workers this must come before anything that computes. Raises SRGANError if TF_CONFIG cannot be read.
    """
    if len(_workers()) > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _workers() -> list[str]:
    """The addresses of all workers in TF_CONFIG; none without it."""
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
        return [*cluster.get("chief", []), *cluster.get("worker", [])]
    except (ValueError, AttributeError, TypeError) as error:
        raise SRGANError(
            f"TF_CONFIG cannot be read ({error}). It must be JSON such as "
            '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}; '
            "unset it to train on this machine alone."
        ) from error


def count() -> int:
    """The number of replicas."""
    return strategy().num_replicas_in_sync


def several_workers() -> bool:
    return strategy().cluster_resolver is not None


def is_chief() -> bool:
    """Whether this process keeps the files: the only one, or the first worker."""
    if not several_workers():
        return True
    resolver = strategy().cluster_resolver
    return resolver.task_type == "chief" or (resolver.task_id == 0 and "chief" not in resolver.cluster_spec().jobs)


def part(batch: tf.Tensor) -> tf.Tensor:
    """The calling replica's rows of a batch; their number must be a multiple of the number of replicas."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return batch
    rows = batch.shape[0] // context.num_replicas_in_sync
    begin = context.replica_id_in_sync_group * rows
    own = tf.slice(batch, [begin, *[0] * (len(batch.shape) - 1)], [rows, *batch.shape[1:]])
    return tf.ensure_shape(own, (rows, *batch.shape[1:]))


def mean(per_replica) -> tf.Tensor:
    """The mean over all replicas of a value that each has."""
    return strategy().reduce(tf.distribute.ReduceOp.MEAN, per_replica, axis=None)


def mean_inside(value: tf.Tensor) -> tf.Tensor:
    """Inside a replica: the mean over all of them of a value that each has. Gradients flow through it."""
    if count() == 1:
        return value
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, value)


def refuse_uneven(batch_size: int) -> None:
    """Raises SRGANError if a batch cannot be shared out equally."""
    if batch_size % count():
        raise SRGANError(
            f"A batch of {batch_size} cannot be shared out equally among {count()} devices: "
            f"set batch_size to a multiple of {count()}, or hide some devices (CUDA_VISIBLE_DEVICES)."
        )


def chief_first(make: Callable[[], Made]) -> Made:
    """What `make` gives, made by the chief before any other worker begins: they may share a disk."""
    made = make() if is_chief() else None
    any_worker(False)  # here they wait for one another
    return make() if made is None else made


def any_worker(flag: bool) -> bool:
    """Whether any of the workers says yes; all of them must ask."""
    return bool(_sum_of_workers(np.array([float(flag)]))[0]) if several_workers() else flag


def from_chief(numbers: list[int]) -> list[int]:
    """The chief's whole numbers, on every worker."""
    if not several_workers():
        return numbers
    return [int(number) for number in _sum_of_workers(np.array(numbers, np.int64) * is_chief())]


def copy_from_chief(variables: list[tf.Variable]) -> None:
    """Give the variables of every worker the chief's values."""
    if several_workers():
        for variable in variables:
            variable.assign(_sum_of_workers(variable.numpy() * np.asarray(is_chief(), variable.numpy().dtype)))


def _sum_of_workers(array: np.ndarray) -> np.ndarray:
    context = strategy()
    local = context.num_replicas_in_sync // len(_workers())  # replicas of this worker: the first one counts
    values = context.experimental_distribute_values_from_function(
        lambda replica: tf.constant(array if replica.replica_id_in_sync_group % local == 0 else np.zeros_like(array))
    )
    return context.reduce(tf.distribute.ReduceOp.SUM, values, axis=None).numpy()


@contextlib.contextmanager
def lost_workers_told() -> Iterator[None]:
    """Inside, the loss of another worker is told as an SRGANError."""
    try:
        yield
    except _LOST as error:
        if not several_workers():
            raise
        raise SRGANError(
            "Another worker of this training is gone, so this one stops. The last checkpoint on the first worker is good: "
            f"start all workers again, and training goes on from it. (TensorFlow said: {str(error).splitlines()[0]})"
        ) from error
