"""Two replicas learn what one does: as two devices of one process, and as two processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from srgan.config import Config
from srgan.errors import SRGANError
from srgan.runs import checkpoints
from srgan.runs.paths import PROJECT, Paths
from srgan.runs.progress import Progress
from srgan.train import replicas, training
from srgan.train.state import State
from tests.waiting import PATIENCE, wait_until

# Every kind of step: batch norm in both networks, labels with noise, all terms of the loss, the mean of
# weights. Adam's large epsilon keeps the rounding of a near-zero gradient from becoming a step of full size.
# With this seed no value lies so near a kink, of leaky ReLU or an absolute value, that its last bit turns a gradient.
EVERYTHING = dict(pretrain_steps=6, gan_steps=6, batch_size=4, label_noise=0.05, adversarial_weight=0.1, adam_epsilon=1e-3,
                  total_variation_weight=0.01, phase_weight=0.1, adversarial="relativistic", ema=0.9,
                  deterministic=True, seed=2)  # fmt: skip
TOLERANCE = 2e-5  # of a weight, after 6 + 6 steps of learning rate 1e-3: the order of the sums differs, and nothing else


def trained(
    config: Config, workdir: Path, devices: int, stages: tuple[str, ...] = ("srresnet", "srgan")
) -> dict[str, dict[str, np.ndarray]]:
    """What the stages end with, on so many logical CPUs; called in a process of its own."""
    use_logical_devices(devices)
    for stage in stages:
        training.fit(config, Paths(workdir, "tiny"), stage, Progress())
    return ends(Paths(workdir, "tiny"), stages)


def use_logical_devices(count: int) -> None:
    """Make of this process's one CPU so many devices; several of them train together."""
    cpu, *_ = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    if count > 1:
        strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)])
        replicas.strategy = lambda: strategy


def ends(paths: Paths, stages: tuple[str, ...] = ("srresnet", "srgan")) -> dict[str, dict[str, np.ndarray]]:
    return {stage: checkpoints.newest(paths.checkpoints, stage)[0].arrays for stage in stages}


def in_a_process(function, *arguments):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def assert_equal(ours: dict, theirs: dict, tolerance: float) -> None:
    for stage in ours:
        assert ours[stage].keys() == theirs[stage].keys()
        for name, array in theirs[stage].items():
            np.testing.assert_allclose(ours[stage][name], array, atol=tolerance, rtol=1e-3, err_msg=f"{stage} {name}")


@pytest.fixture(scope="module")
def alone(tiny, tmp_path_factory) -> dict:
    return in_a_process(trained, tiny.replace(**EVERYTHING), tmp_path_factory.mktemp("alone"), 1)


def test_two_devices_learn_what_one_does(tiny, alone, tmp_path):
    assert_equal(in_a_process(trained, tiny.replace(**EVERYTHING), tmp_path, 2), alone, TOLERANCE)


def test_devices_that_skip_an_update_in_float16_skip_it_together(tiny, tmp_path):
    """The gradient of one replica alone is not finite: neither moves, and both halve their scale."""
    assert in_a_process(skipped_together, tiny.replace(batch_size=4, precision="mixed_float16")) == {
        "moved": 0.0, "scales": [2.0**14, 2.0**14], "moved by the next": True, "equal": True,
    }  # fmt: skip


def skipped_together(config: Config) -> dict:
    use_logical_devices(2)
    strategy = replicas.strategy()
    state = State(config, "srresnet")
    state.g_optimizer.learning_rate = 1e-2
    kernel = state.generator.get_layer("head_conv").kernel
    before = kernel.numpy()

    @tf.function
    def apply(values):
        def on_replica(value):
            gradients = [
                tf.fill(variable.shape, tf.cast(value, variable.dtype)) for variable in state.generator.trainable_variables
            ]
            state.g_optimizer.apply(gradients, state.generator.trainable_variables)

        strategy.run(on_replica, (values,))

    def both(first, second):
        return strategy.experimental_distribute_values_from_function(
            lambda replica: tf.constant([first, second][replica.replica_id_in_sync_group], tf.float32)
        )

    apply(both(1.0, np.inf))
    outcome = {"moved": float(np.abs(kernel.numpy() - before).max())}
    outcome["scales"] = [float(scale) for scale in strategy.experimental_local_results(state.g_optimizer.dynamic_scale.value)]
    apply(both(1.0, 2.0))
    outcome["moved by the next"] = bool(np.abs(kernel.numpy() - before).max() > 1e-3)
    copies = [copy.numpy() for copy in strategy.experimental_local_results(kernel.value)]
    outcome["equal"] = bool(np.array_equal(*copies))
    return outcome


# Two processes ------------------------------------------------------------------------------------------------------


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_worker(index: int, ports: list[int], stage: str, config: Config, workdir: Path) -> subprocess.Popen:
    """`python -m srgan pretrain` (or train) as worker `index`."""
    task = {"cluster": {"worker": [f"127.0.0.1:{port}" for port in ports]}, "task": {"type": "worker", "index": index}}
    changes = [f"--set={name}={value}" for name, value in config.flat().items() if name != "preset" and value != ""]
    command = [sys.executable, "-m", "srgan", {"srresnet": "pretrain", "srgan": "train"}[stage], "--workdir", str(workdir)]
    environment = os.environ | {"TF_CONFIG": json.dumps(task)}
    return subprocess.Popen([*command, *changes], cwd=PROJECT, env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip


def test_two_workers_learn_what_one_process_does(tiny, alone, tmp_path):
    """Each in a working directory of its own: what the second one learns comes over the network alone."""
    config = tiny.replace(**EVERYTHING, run="tiny")
    for stage in config.stages:
        ports = free_ports(2)
        workers = [start_worker(i, ports, stage, config, tmp_path / str(i)) for i in range(2)]
        said = [worker.communicate(timeout=PATIENCE)[0] for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], said
    assert_equal(ends(Paths(tmp_path / "0", "tiny")), alone, TOLERANCE)
    assert not list((tmp_path / "1").glob("model/**/*.npz")), "the second worker keeps files too"


def test_a_run_goes_on_with_another_number_of_devices(tiny, alone, tmp_path):
    """Half way on two devices, the rest on one: the same end."""
    config = tiny.replace(**EVERYTHING)
    in_a_process(trained, config.replace(pretrain_steps=3), tmp_path, 2, ("srresnet",))
    assert_equal(in_a_process(trained, config, tmp_path, 1, ("srresnet",)), alone, TOLERANCE)


def is_running(worker: subprocess.Popen) -> bool:
    assert worker.poll() is None, worker.communicate()[0]
    return True


@pytest.mark.parametrize("victim, number, said_by_the_other", [
    (1, signal.SIGKILL, "Another worker of this training is gone, so this one stops. The last checkpoint"),
    (0, signal.SIGKILL, "Another worker of this training is gone, so this one stops. The last checkpoint"),
    (1, signal.SIGTERM, "saved. Run the same again to go on."),
])  # fmt: skip
def test_the_end_of_one_worker_is_the_end_of_all(tiny, tmp_path, victim, number, said_by_the_other):
    """A worker that dies takes nothing along but the steps since the last save; one that is asked to stop stops all, saved."""
    config = tiny.replace(**EVERYTHING, run="tiny").replace(pretrain_steps=10**6, save_minutes=0.001)
    ports, paths = free_ports(2), Paths(tmp_path, "tiny")
    workers = [start_worker(i, ports, "srresnet", config, tmp_path) for i in range(2)]  # on one disk, this time
    try:
        wait_until(lambda: len(list(paths.checkpoints.glob("*.npz"))) >= 2, alive=lambda: is_running(workers[0]))
        workers[victim].send_signal(number)
        said = workers[1 - victim].communicate(timeout=PATIENCE)[0]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert said_by_the_other in said
    assert workers[1 - victim].returncode == (1 if number == signal.SIGKILL else 130)
    checkpoint, complaints = checkpoints.newest(paths.checkpoints, "srresnet")
    assert complaints == [] and checkpoint.step > 0


def test_workers_with_other_photos_are_refused(tiny, photo_folder, tmp_path):
    config = tiny.replace(**EVERYTHING, run="tiny")
    ports = free_ports(2)
    workers = [
        start_worker(i, ports, "srresnet", config.replace(dataset=dataset), tmp_path / str(i))
        for i, dataset in enumerate((config.data.dataset, f"folder:{photo_folder}"))
    ]
    said = [worker.communicate(timeout=PATIENCE)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [1, 1]
    assert "This worker has other photos" in said[1] and "Another worker of this training is gone" in said[0]


# Words --------------------------------------------------------------------------------------------------------------


def test_a_batch_that_cannot_be_shared_out_is_refused(tiny, paths, monkeypatch):
    monkeypatch.setattr(replicas, "count", lambda: 3)
    with pytest.raises(
        SRGANError, match="A batch of 2 cannot be shared out equally among 3 devices: set batch_size to a multiple of 3"
    ):
        training.fit(tiny, paths, "srresnet", Progress())


@pytest.mark.parametrize("text", ["{", "[]", '{"cluster": 3}'])
def test_a_tf_config_that_cannot_be_read_is_told(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(SRGANError, match="TF_CONFIG cannot be read"):
        replicas.strategy.__wrapped__()


def test_several_gpus_are_used_without_being_asked_for(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["one", "two"])
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda: "mirrored")
    assert replicas.strategy.__wrapped__() == "mirrored"
