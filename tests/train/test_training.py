from __future__ import annotations

import math
import multiprocessing
import os
import re
import shutil
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from srgan import losses
from srgan.config import Config, settings
from srgan.data import preparation
from srgan.data.dataset import Dataset
from srgan.errors import SRGANError
from srgan.presets import preset
from srgan.results import evaluation, metrics
from srgan.runs import checkpoints, history, status, weights
from srgan.runs.paths import Paths
from srgan.runs.progress import Progress
from srgan.train import batches_ahead, random_draws, resuming, steps, training
from srgan.train.compiled import compile_updates
from srgan.train.schedule import learning_rate
from srgan.train.state import State
from srgan.upscale import network as upscale


def silent(**hooks) -> Progress:
    """A progress that shows nothing, and calls `hooks` by the name of the event."""
    progress = Progress()
    for event in ("start", "tick", "row", "sample", "saved", "say", "close"):
        setattr(progress, event, hooks.get(event, lambda *told: None))
    return progress


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Modification time and contents of everything in `folder`."""
    return {str(p.relative_to(folder)): (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def newest(paths: Paths, stage: str) -> checkpoints.Checkpoint:
    checkpoint, complaints = checkpoints.newest(paths.checkpoints, stage)
    assert complaints == []
    return checkpoint


@pytest.fixture(scope="module")
def pretrained_once(tiny, tmp_path_factory) -> Path:
    """A working directory in which stage srresnet of `tiny` is done."""
    workdir = tmp_path_factory.mktemp("pretrained")
    training.fit(tiny, Paths(workdir, "tiny"), "srresnet", silent())
    return workdir


@pytest.fixture
def pretrained(pretrained_once, paths) -> Paths:
    """A copy of one's own of it."""
    shutil.copytree(pretrained_once, paths.workdir, dirs_exist_ok=True)
    return paths


# Learning rate ------------------------------------------------------------------------------------------------------


def test_the_constant_learning_rate_warms_up_and_stays():
    config = settings(pretrain_learning_rate=1e-3, pretrain_schedule="constant", pretrain_steps=100, warmup_steps=4)
    rates = [learning_rate(config, "srresnet", step) for step in (0, 1, 2, 3, 4, 5, 50, 99, 100)]
    assert rates == pytest.approx([2e-4, 4e-4, 6e-4, 8e-4, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3])


def test_the_cosine_ends_at_zero():
    config = settings(gan_learning_rate=2e-3, gan_schedule="cosine", gan_steps=120)
    rates = [learning_rate(config, "srgan", step) for step in (0, 40, 60, 80, 120)]
    assert rates == pytest.approx([2e-3, 1.5e-3, 1e-3, 0.5e-3, 0.0])
    assert learning_rate(config, "srgan", 119) > 0  # the last update still moves


def test_the_step_goes_to_a_tenth_at_half_of_the_steps():
    config = settings(gan_learning_rate=1e-4, gan_schedule="step", gan_steps=200_000)
    rates = [learning_rate(config, "srgan", step) for step in (0, 99_999, 100_000, 199_999)]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5])


def test_warm_up_multiplies_the_schedule_of_either_stage():
    config = settings(pretrain_learning_rate=1.0, pretrain_schedule="cosine", pretrain_steps=8, warmup_steps=3,
                    gan_learning_rate=10.0, gan_schedule="step", gan_steps=2)  # fmt: skip
    assert learning_rate(config, "srresnet", 2) == pytest.approx(0.75 * (0.5 + 0.5 * math.sqrt(0.5)))
    assert learning_rate(config, "srgan", 1) == pytest.approx(10.0 * 2 / 4 / 10)


# One GAN step -------------------------------------------------------------------------------------------------------

LR = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
HR = np.random.default_rng(1).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)


def batch_of(config: Config, index: int = 0) -> steps.Batch:
    """LR and HR with the labels and the roll of a step."""
    step = tf.constant(index, tf.int64)
    labels = [random_draws.labels(config, kind, step) for kind in ("real", "fake", "generator")]
    return steps.Batch(tf.constant(LR), tf.constant(HR), *labels, random_draws.roll(config, step))


def blocks_of_four(images: tf.Tensor) -> tf.Tensor:
    """Features that can be had without weights."""
    return 3.0 * tf.nn.avg_pool2d(images, 4, 4, "VALID")


@pytest.fixture
def gan(tiny) -> Config:
    """Every term of the losses counts, and Adam's epsilon is large enough for its first step to show a gradient's size."""
    return tiny.replace(adversarial_weight=0.3, total_variation_weight=0.2, real_label=0.9, fake_label=0.1,
                        generator_label=0.8, adam_epsilon=1e-3)  # fmt: skip


def adam(rate: float, network: keras.Model) -> keras.optimizers.Adam:
    return keras.optimizers.Adam(rate, beta_1=0.9, epsilon=1e-3, name=f"reference_{network.name}")


@pytest.mark.parametrize(("alternate", "shift"), [(False, 0), (True, 0), (False, 7)])
def test_one_gan_step_is_two_separate_updates_by_the_formulas(gan, alternate, shift):
    gan = gan.replace(alternate=alternate, random_shift=shift)
    ours, theirs = State(gan, "srgan"), State(gan, "srgan")
    begin = [weight.copy() for weight in ours.generator.get_weights() + ours.discriminator.get_weights()]
    for mine, other in zip(begin, theirs.generator.get_weights() + theirs.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)  # the same seed, the same beginning

    ours.g_optimizer.learning_rate, ours.d_optimizer.learning_rate = 1e-2, 2e-2
    reported = steps.gan_step(gan, ours, blocks_of_four)(batch_of(gan))

    g, d, crossed = theirs.generator, theirs.discriminator, tf.nn.sigmoid_cross_entropy_with_logits
    hr, sr = steps.rolled(gan, batch_of(gan), tf.constant(HR), g(LR, training=True))
    with tf.GradientTape() as tape:
        on_hr, on_sr = d(hr, training=True), d(tf.constant(sr.numpy()), training=True)
        d_loss = tf.reduce_mean(crossed(tf.fill((2, 1), 0.9), on_hr)) + tf.reduce_mean(crossed(tf.fill((2, 1), 0.1), on_sr))
    d_gradients = tape.gradient(d_loss, d.trainable_variables)
    d_statistics = [variable.numpy() for variable in d.non_trainable_variables]  # after HR and SR, once each
    if alternate:  # G answers the new D
        adam(2e-2, d).apply(d_gradients, d.trainable_variables)

    g.set_weights(begin[: len(g.weights)])  # the statistics have moved
    with tf.GradientTape() as tape:
        sr = steps.rolled(gan, batch_of(gan), g(LR, training=True))[0]
        adversarial = tf.reduce_mean(crossed(tf.fill((2, 1), 0.8), d(sr, training=True)))
        content = tf.reduce_mean((blocks_of_four(hr) - blocks_of_four(sr)) ** 2)
        down, across = sr[:, 1:] - sr[:, :-1], sr[:, :, 1:] - sr[:, :, :-1]
        variation = tf.reduce_mean(tf.abs(down)) + tf.reduce_mean(tf.abs(across))
        g_loss = content + 0.3 * adversarial + 0.2 * variation
    g_gradients = tape.gradient(g_loss, g.trainable_variables)
    adam(1e-2, g).apply(g_gradients, g.trainable_variables)
    if alternate:
        d_statistics = [variable.numpy() for variable in d.non_trainable_variables]  # it was asked about SR again
    else:
        adam(2e-2, d).apply(d_gradients, d.trainable_variables)

    expected = {"perceptual": g_loss, "content": content, "adversarial": adversarial, "discriminator": d_loss,
                "d_hr": np.mean(1 / (1 + np.exp(-on_hr))), "d_sr": np.mean(1 / (1 + np.exp(-on_sr))),
                "accuracy_hr": np.mean(on_hr > 0), "accuracy_sr": np.mean(on_sr < 0)}  # fmt: skip
    assert {name: float(value) for name, value in reported.items()} == pytest.approx(
        {name: float(value) for name, value in expected.items()}, rel=1e-4
    )
    for network, reference in ((ours.generator, g), (ours.discriminator, d)):
        for variable, other in zip(network.trainable_variables, reference.trainable_variables, strict=True):
            np.testing.assert_allclose(variable.numpy(), other.numpy(), atol=2e-5, err_msg=variable.path)
    for variable, other in zip(ours.generator.non_trainable_variables, g.non_trainable_variables, strict=True):
        np.testing.assert_allclose(variable.numpy(), other.numpy(), rtol=1e-4, atol=1e-6, err_msg=variable.path)
    for variable, statistic in zip(ours.discriminator.non_trainable_variables, d_statistics, strict=True):
        np.testing.assert_allclose(variable.numpy(), statistic, rtol=1e-4, atol=1e-6, err_msg=variable.path)
    moved = [np.abs(now - before).max() for now, before in zip(
        ours.generator.get_weights() + ours.discriminator.get_weights(), begin, strict=True) if before.ndim == 4]  # fmt: skip
    assert min(moved) > 1e-3  # every kernel of both networks


def test_d_learns_at_its_own_multiple_of_the_rate(gan, tmp_path):
    config = gan.replace(discriminator_rate=3.0)
    state = State(config, "srgan")
    lr, hr = np.zeros((1, 2, 8, 8, 3), np.uint8), np.zeros((1, 2, 32, 32, 3), np.uint8)
    compile_updates(config, state, None)(tf.constant(0, tf.int64), tf.constant([0.01]), tf.constant(lr), tf.constant(hr))
    assert [float(state.g_optimizer.learning_rate), float(state.d_optimizer.learning_rate)] == pytest.approx([0.01, 0.03])


def test_d_alone_learns_what_it_learns_in_a_gan_step_and_g_stands_still(gan):
    alone, together = State(gan, "discriminator"), State(gan, "srgan")
    assert alone.g_optimizer is None
    before = [weight.copy() for weight in alone.generator.get_weights()]
    for network in (alone.generator, together.generator):
        for layer in network.layers:  # so that the batch's statistics are those of inference, and G makes the same in either mode
            if "norm" in layer.name:
                layer.trainable = False
    alone.d_optimizer.learning_rate = together.d_optimizer.learning_rate = 1e-2
    reported = steps.discriminator_step(gan, alone)(batch_of(gan))
    expected = steps.gan_step(gan, together, blocks_of_four)(batch_of(gan))
    for name, value in reported.items():
        assert float(value) == pytest.approx(float(expected[name]), rel=1e-5), name
    for mine, other in zip(alone.discriminator.weights, together.discriminator.weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), atol=1e-6, err_msg=mine.path)
    for mine, other in zip(alone.generator.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_the_gan_begins_from_the_discriminator_that_learned_alone(tiny, pretrained):
    config = tiny.replace(discriminator_steps=3)
    with pytest.raises(SRGANError, match="has no finished discriminator, and this run's GAN starts from one"):
        training.fit(config, pretrained, "srgan", silent())
    learned = training.fit(config, pretrained, "discriminator", silent())
    assert not pretrained.weights("discriminator").exists()  # weights are of generators
    begun = resuming.resume(config, pretrained, "srgan", preparation.prepare(config, pretrained), silent())
    for mine, other in zip(begun.discriminator.get_weights(), learned.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert all(not variable.numpy().any() for variable in begun.d_optimizer.variables[2:])  # its moments begin anew
    assert any(np.abs(weight).max() > 0 for weight in begun.generator.get_weights())


def test_a_gan_without_pretraining_needs_no_weights_and_a_stage_left_out_does_nothing(tiny, paths):
    config, said = tiny.replace(pretrain_steps=0), []
    assert training.fit(config, paths, "srresnet", silent(say=said.append)).step == 0
    assert said == ["This run leaves out stage srresnet: nothing to do."]
    assert not paths.model.exists()
    assert training.fit(config, paths, "srgan", silent()).step == 4
    assert status.sentence(config, paths) == "SRGAN done at step 4; nothing is left to train."


def test_a_gan_step_runs_g_once_d_and_features_twice_and_the_dense_layers_once(gan):
    state = State(gan, "srgan")
    first, dense = (state.discriminator.get_layer(name) for name in ("conv1", "dense1"))
    for called in (state.generator, first, dense):
        called.call = mock.Mock(wraps=called.call)
    features = mock.Mock(wraps=blocks_of_four)
    steps.gan_step(gan, state, features)(batch_of(gan))
    assert state.generator.call.call_count == 1
    assert first.call.call_count == 2 and dense.call.call_count == 1
    seen = [images.numpy() for (images,), _ in features.call_args_list]
    assert len(seen) == 2
    assert sum(np.array_equal(images, HR) for images in seen) == 1  # once HR, and once SR


def test_the_adversarial_weight_decides_what_d_means_to_g(gan):
    """With weight 0 the generator's update is that of content alone; D learns as before."""
    updates = {}
    for weight in (0.0, 0.3):
        config = gan.replace(adversarial_weight=weight)
        state = State(config, "srgan")
        before = state.generator.get_weights(), state.discriminator.get_weights()
        state.g_optimizer.learning_rate = state.d_optimizer.learning_rate = 1e-2
        steps.gan_step(config, state, None)(batch_of(config))
        after = state.generator.get_weights(), state.discriminator.get_weights()
        updates[weight] = [[a - b for a, b in zip(*pair, strict=True)] for pair in zip(after, before, strict=True)]
    assert max(np.abs(a - b).max() for a, b in zip(updates[0.0][0], updates[0.3][0], strict=True)) > 1e-3
    for without, with_it in zip(updates[0.0][1], updates[0.3][1], strict=True):
        np.testing.assert_allclose(without, with_it, atol=1e-5)


def test_a_gan_step_in_half_precision_is_that_of_float32_but_for_rounding(gan):
    gan = gan.replace(total_variation_weight=0.0)  # its gradient is made of signs, which rounding turns about
    reported, updates = {}, {}
    for policy in ("float32", "mixed_float16", "mixed_bfloat16"):
        state = State(gan.replace(precision=policy), "srgan")
        before = state.generator.get_layer("output_conv").get_weights()[0]
        state.g_optimizer.learning_rate = 1e-2
        reported[policy] = steps.gan_step(gan, state, blocks_of_four)(batch_of(gan))
        updates[policy] = (state.generator.get_layer("output_conv").get_weights()[0] - before).ravel()
    exact = updates["float32"]
    assert np.abs(exact).max() > 1e-3
    for policy in ("mixed_float16", "mixed_bfloat16"):
        for name, value in reported["float32"].items():
            assert reported[policy][name].dtype == tf.float32
            assert float(reported[policy][name]) == pytest.approx(float(value), rel=0.05, abs=0.01), name
        # Loss scaling, which float16 has, leaves the size of the update alone.
        assert np.linalg.norm(updates[policy]) == pytest.approx(np.linalg.norm(exact), rel=0.1)
        assert exact @ updates[policy] > 0.9 * np.linalg.norm(exact) * np.linalg.norm(
            updates[policy]
        )  # Adam makes much of small gradients


# Stopping and resuming ----------------------------------------------------------------------------------------------


def straight_and_broken(config: Config, straight: Paths, broken: Paths) -> list[str]:
    """Run both stages twice, the second time with an interruption in each; returns what those said."""
    tf.config.experimental.enable_op_determinism()
    batches_ahead.SECONDS_PER_CALL = 0.0  # one step at a time: an interruption falls between two rows
    for stage in config.stages:
        training.fit(config, straight, stage, silent())
    said = []
    for stage in config.stages:
        try:
            training.fit(config, broken, stage, silent(row=lambda row: os.kill(os.getpid(), signal.SIGINT)))
        except KeyboardInterrupt as stopped:
            said.append(str(stopped))
        training.fit(config, broken, stage, silent())
    return said


@pytest.mark.parametrize("changes", [
    {}, dict(ema=0.9, phase_weight=1.0, matching_weight=1.0, adversarial="relativistic", discriminator="unet", upsampling="espcn",
             tail_filters=4),
], ids=["as published", "with a mean of weights"])  # fmt: skip
def test_an_interrupted_run_ends_bit_for_bit_as_an_uninterrupted_one(tiny, tmp_path, changes):
    config = tiny.replace(pretrain_steps=5, gan_steps=5, label_noise=0.05, warmup_steps=2, pretrain_schedule="cosine",
                          adversarial_weight=0.1, total_variation_weight=0.01, **changes)  # fmt: skip
    straight, broken = Paths(tmp_path / "straight", "tiny"), Paths(tmp_path / "broken", "tiny")
    # In a process of its own: determinism is for all of a process and for good.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        said = process.submit(straight_and_broken, config, straight, broken).result()
    stops = [int(re.match(r"Stopped at step (\d) of 5, saved", sentence)[1]) for sentence in said]
    assert stops == [3, 3]  # between two rows of the history: the losses of step 3 are part of the checkpoint

    for stage, parts in zip(config.stages, ({"generator", "g_optimizer"}, {"discriminator", "d_optimizer"}), strict=True):
        ours, theirs = newest(broken, stage), newest(straight, stage)
        assert ours.step == theirs.step == 5
        assert ours.arrays.keys() == theirs.arrays.keys()
        assert {name.partition("/")[0] for name in ours.arrays} >= parts
        for name, array in ours.arrays.items():
            np.testing.assert_array_equal(array, theirs.arrays[name], err_msg=name)
        exported = [weights.load(p.weights(stage)) for p in (broken, straight)]
        for weight, other in zip(*(network.get_weights() for network in exported), strict=True):
            np.testing.assert_array_equal(weight, other)
        if config.optimization.ema:  # it is the mean that is exported
            for variable in exported[0].weights:
                np.testing.assert_array_equal(variable.numpy(), ours.arrays[f"ema/{variable.path}"], err_msg=variable.path)
        rows = [history.read(paths.history(stage)) for paths in (broken, straight)]
        assert [row["step"] for row in rows[1]] == [2, 4, 5]
        for row in rows[0] + rows[1]:
            del row["images_per_second"]
        assert rows[0] == rows[1]


def steps_by_the_call(config: Config, workdir: Path, seconds: float) -> tuple[list[str], list[int]]:
    """Train both stages with calls of up to so many seconds; the histories, and how many steps each call took."""
    tf.config.experimental.enable_op_determinism()
    batches_ahead.SECONDS_PER_CALL = seconds
    counts, make = [], Dataset.batches

    def counted(dataset, step, count):
        counts.append(count)
        return make(dataset, step, count)

    with mock.patch.object(Dataset, "batches", counted):
        for stage in config.stages:
            training.fit(config, Paths(workdir, "tiny"), stage, silent())
    # Without the column that tells the speed.
    histories = [Paths(workdir, "tiny").history(stage).read_text().splitlines() for stage in config.stages]
    return [[line.rpartition(",")[0] for line in lines] for lines in histories], counts


def test_many_steps_a_call_are_the_same_as_one_bit_for_bit(tiny, tmp_path):
    config = tiny.replace(pretrain_steps=13, gan_steps=13, log_every=5, sample_every=3, label_noise=0.05, warmup_steps=2,
                          pretrain_schedule="cosine")  # fmt: skip
    ends = {}
    for seconds in (0.0, 1e9):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            histories, counts = process.submit(steps_by_the_call, config, tmp_path / str(seconds), seconds).result()
        ends[seconds] = histories, [newest(Paths(tmp_path / str(seconds), "tiny"), stage).arrays for stage in config.stages]
        assert max(counts) == (1 if seconds == 0.0 else 3)
        assert sum(counts) == 13 + 13
    assert ends[0.0][0] == ends[1e9][0]
    for one, many in zip(ends[0.0][1], ends[1e9][1], strict=True):
        for name, array in one.items():
            np.testing.assert_array_equal(many[name], array, err_msg=name)


@pytest.mark.parametrize(
    "step, most, expected", [(0, 99, 3), (3, 99, 2), (4, 99, 1), (5, 99, 1), (6, 2, 2), (12, 99, 1), (13, 99, 0)]
)
def test_a_call_never_passes_a_row_a_sample_or_the_end(step, most, expected):
    config = settings(pretrain_steps=13, log_every=5, sample_every=3)
    assert batches_ahead.steps_to_event(config, "srresnet", step, most) == expected


@pytest.mark.parametrize("event, number", [("row", signal.SIGINT), ("sample", signal.SIGTERM), ("saved", signal.SIGINT)])
def test_a_signal_at_any_moment_stops_with_everything_saved(event, number, tiny, paths):
    config = tiny.replace(sample_every=1, log_every=1 if event == "row" else 3, save_minutes=0.0 if event == "saved" else 1000.0)
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    sent = []

    def interrupt(told):
        if not sent:
            sent.append(told)
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)  # a nervous finger changes nothing

    with pytest.raises(KeyboardInterrupt, match=r"Stopped at step \d of 4, saved. Run the same again to go on.") as stopped:
        training.fit(config, paths, "srresnet", silent(**{event: interrupt}))
    step = int(re.search(r"step (\d)", str(stopped.value))[1])
    assert newest(paths, "srresnet").step == step < 4
    assert weights.card(paths.weights("srresnet"))["step"] == step
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_a_second_signal_after_a_second_does_not_wait_for_the_step(tiny, pretrained):
    before, began = files(pretrained.model), []

    def insist(told):
        for pause in (1.1, 0.0):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(pause)
        began.append("went on")

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        training.fit(tiny.replace(pretrain_steps=6), pretrained, "srresnet", silent(row=insist))
    assert began == []
    assert files(pretrained.model) == before


def test_a_stage_that_is_done_returns_at_once_and_changes_no_file(tiny, pretrained):
    before, said = files(pretrained.workdir), []

    def never(*told):
        raise AssertionError("training began")

    state = training.fit(tiny, pretrained, "srresnet", silent(say=said.append, start=never, saved=never))
    assert state.step == 4
    assert files(pretrained.workdir) == before
    assert "srresnet has reached step 4 of 4: nothing to do." in said


def test_a_smaller_total_is_done_too(tiny, pretrained):
    before = files(pretrained.workdir)
    assert training.fit(tiny.replace(pretrain_steps=3), pretrained, "srresnet", silent()).step == 4
    assert files(pretrained.workdir) == before


def test_a_larger_total_goes_on_from_the_checkpoint(tiny, pretrained):
    begun = []
    later = tiny.replace(pretrain_steps=6, log_every=1, keep_checkpoints=1, save_minutes=5.0)
    state = training.fit(later, pretrained, "srresnet", silent(start=lambda *told: begun.append(told)))
    assert begun == [("srresnet", 4, 6, 2)] and state.step == 6
    assert [row["step"] for row in history.read(pretrained.history("srresnet"))] == [2, 4, 5, 6]
    assert [path.name for path in pretrained.checkpoints.iterdir()] == ["srresnet-00000006.npz"]


def test_a_checkpoint_of_other_settings_is_refused_naming_what_differs(tiny, pretrained):
    before = files(pretrained.workdir)
    with pytest.raises(SRGANError) as caught:
        training.fit(tiny.replace(filters=16, batch_size=3, pretrain_steps=9), pretrained, "srresnet", silent())
    said = str(caught.value)
    assert "filters (there 8, here 16)" in said and "batch_size (there 2, here 3)" in said
    assert "pretrain_steps" not in said and "srresnet-00000004.npz" in said
    assert files(pretrained.workdir) == before


def test_a_checkpoint_of_an_earlier_version_without_a_setting_goes_on_at_its_default_only(tiny, pretrained):
    saved = newest(pretrained, "srresnet")
    about = saved.about | {"config": {name: value for name, value in saved.about["config"].items() if name != "patch_tries"}}
    checkpoints.save(pretrained.checkpoints, saved.arrays, about, keep=1)
    with pytest.raises(SRGANError, match=r"patch_tries \(there 1, here 2\)"):
        training.fit(tiny.replace(patch_tries=2, pretrain_steps=5), pretrained, "srresnet", silent())
    assert training.fit(tiny.replace(pretrain_steps=5), pretrained, "srresnet", silent()).step == 5


def test_a_checkpoint_of_other_photos_is_refused(tiny, pretrained, photos, tmp_path_factory):
    fewer = tmp_path_factory.mktemp("fewer")
    for photo in sorted(photos.iterdir())[1:]:
        shutil.copy(photo, fewer)
    with pytest.raises(SRGANError, match="is of other settings: the photos"):
        training.fit(tiny.replace(dataset=f"folder:{fewer}"), pretrained, "srresnet", silent())


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_checkpoint_is_taken_up_in_another_precision(policy, tiny, pretrained):
    config = tiny.replace(precision=policy)
    state = resuming.resume(config, pretrained, "srresnet", preparation.prepare(tiny, pretrained), silent())
    saved = newest(pretrained, "srresnet").arrays
    taken_up = {name: variable.numpy() for name, variable in state.variables().items()}
    assert set(saved) <= set(taken_up)
    for name, array in saved.items():
        np.testing.assert_array_equal(taken_up[name], array, err_msg=name)


def test_the_state_names_every_variable_of_every_part_once(tiny):
    state = State(tiny, "srgan")
    parts = (state.generator, state.discriminator, state.g_optimizer, state.d_optimizer)
    assert {id(variable) for variable in state.variables().values()} == {id(v) for part in parts for v in part.variables}
    again = State(tiny, "srgan")
    assert list(again.variables()) == list(state.variables())


def test_batch_norm_statistics_are_saved_and_restored(tiny, pretrained):
    state = resuming.resume(tiny, pretrained, "srresnet", preparation.prepare(tiny, pretrained), silent())
    inference = weights.load(pretrained.weights("srresnet"))
    fresh = State(tiny, "srresnet").generator.get_layer("block1_norm1").get_weights()
    for network in (state.generator, inference):
        scale, offset, mean, variance = network.get_layer("block1_norm1").get_weights()
        saved = newest(pretrained, "srresnet").arrays
        np.testing.assert_array_equal(mean, saved["generator/block1_norm1/moving_mean"])
        np.testing.assert_array_equal(variance, saved["generator/block1_norm1/moving_variance"])
        for now, before in zip((scale, offset, mean, variance), fresh, strict=True):
            assert np.abs(now - before).max() > 0


# The stages ---------------------------------------------------------------------------------------------------------


def test_the_gan_asks_for_srresnet_first(tiny, paths):
    with pytest.raises(SRGANError, match=r"no SRResNet weights yet.*run notebook 02 first"):
        training.fit(tiny, paths, "srgan", silent())
    assert not paths.checkpoints.exists()


def test_an_unknown_stage_is_refused(tiny, paths):
    with pytest.raises(SRGANError, match='no stage "warmup"; the stages are srresnet, discriminator, srgan'):
        training.fit(tiny, paths, "warmup", silent())


def test_the_gan_begins_from_the_weights_of_srresnet(tiny, pretrained):
    state = resuming.resume(tiny, pretrained, "srgan", preparation.prepare(tiny, pretrained), silent())
    assert state.step == 0
    saved = newest(pretrained, "srresnet").arrays
    for variable in state.generator.variables:
        np.testing.assert_array_equal(variable.numpy(), saved[f"generator/{variable.path}"], err_msg=variable.path)


def test_the_first_stage_begins_from_the_weights_named_and_remembers_where_they_came_from(tiny, pretrained):
    own = tiny.replace(run="own", initial=str(pretrained.weights("srresnet")), pretrain_learning_rate=0.0, pretrain_steps=2)
    paths = Paths(pretrained.workdir, "own")
    state = training.fit(own, paths, "srresnet", silent())
    for ours, theirs in zip(state.generator.weights, weights.load(pretrained.weights("srresnet")).weights, strict=True):
        if "norm" not in ours.path:  # whose statistics move without a learning rate
            np.testing.assert_array_equal(ours, theirs)
    first = weights.card(pretrained.weights("srresnet"))
    assert first["before"] == [] and first["settings"]["blocks"] == 1
    (before,) = weights.card(paths.weights("srresnet"))["before"]
    assert before == {key: first[key] for key in ("stage", "step", "seconds", "settings", "commit", "machine")}
    training.fit(own.replace(gan_steps=1), paths, "srgan", silent())
    card = weights.card(paths.weights("srgan"))
    assert [each["step"] for each in card["before"]] == [4, 2]
    training.fit(own.replace(gan_steps=2), paths, "srgan", silent())  # the checkpoint remembers too
    assert weights.card(paths.weights("srgan"))["before"] == card["before"]


def test_a_gan_without_a_stage_before_it_begins_from_the_weights_named(tiny, pretrained):
    config = tiny.replace(
        run="own", initial=str(pretrained.weights("srresnet")), pretrain_steps=0, gan_steps=1, gan_learning_rate=0.0
    )
    state = training.fit(config, Paths(pretrained.workdir, "own"), "srgan", silent())
    kernel = weights.load(pretrained.weights("srresnet")).get_layer("output_conv").kernel
    np.testing.assert_array_equal(state.generator.get_layer("output_conv").kernel, kernel)


def test_weights_of_another_network_are_no_beginning(tiny, pretrained):
    config = tiny.replace(run="own", initial=str(pretrained.weights("srresnet")), filters=4)
    with pytest.raises(SRGANError, match=r"of another network: filters \(there 8, here 4\)"):
        training.fit(config, Paths(pretrained.workdir, "own"), "srresnet", silent())
    with pytest.raises(SRGANError, match=r"There are no weights at /nowhere\.weights\.h5"):
        training.fit(config.replace(initial="/nowhere.weights.h5"), Paths(pretrained.workdir, "own"), "srresnet", silent())


def test_the_history_begins_with_the_untrained_network_and_its_rows_are_means(tiny, pretrained_once, paths):
    training.fit(tiny.replace(log_every=1), paths, "srresnet", silent())
    rows = history.read(paths.history("srresnet"))
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert [row["learning_rate"] for row in rows] == pytest.approx([1e-3] * 4)

    lr, hr = preparation.prepare(tiny, paths).batch(0)
    sr = State(tiny, "srresnet").generator(lr / np.float32(255), training=True).numpy()
    assert rows[0]["loss"] == pytest.approx(np.mean((hr / 127.5 - 1 - sr) ** 2), rel=1e-4)

    single = [row["loss"] for row in rows]
    in_twos = [row["loss"] for row in history.read(Paths(pretrained_once, "tiny").history("srresnet"))]
    assert in_twos == pytest.approx([np.mean(single[:2]), np.mean(single[2:])], rel=1e-4)


def test_the_weights_are_the_generator_that_was_trained(tiny, pretrained):
    saved = newest(pretrained, "srresnet").arrays
    generator = weights.load(pretrained.weights("srresnet"))
    for variable in generator.variables:
        np.testing.assert_array_equal(variable.numpy(), saved[f"generator/{variable.path}"])


def test_a_sample_strip_shows_lr_sr_and_hr_of_the_held_out_photos(tiny, pretrained):
    dataset = preparation.prepare(tiny, pretrained)
    shown = min(len(dataset.test), 3)
    with Image.open(pretrained.sample("srresnet", 4)) as image:
        sheet = np.asarray(image)
    assert sheet.shape == (shown * (256 + 28), 3 * 256 + 4 * 6, 3)
    _, hr = dataset.test.pair(0)
    middle = hr[:, 8:-8]  # 48 x 48 of 48 x 64
    panel = Image.fromarray(middle).resize((256, 256), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(sheet[22 : 22 + 256, 3 * 6 + 2 * 256 : -6], panel)


def test_training_tells_every_call_of_the_device(tiny, paths):
    told = []
    training.fit(tiny.replace(log_every=4), paths, "srresnet", silent(tick=told.append))
    assert told[-1] == 4 and told == sorted(set(told))


# When it goes wrong -------------------------------------------------------------------------------------------------


def test_a_learning_rate_beyond_reason_ends_in_words_with_nothing_saved(tiny, paths):
    closed = []
    with pytest.raises(SRGANError, match=r"The loss loss became (nan|inf) between steps 0 and 2.*Lower the learning rate"):
        progress = silent(close=lambda: closed.append(True))
        training.fit(tiny.replace(pretrain_learning_rate=1e30), paths, "srresnet", progress)
    assert closed == [True]  # the bar is gone whatever happens
    assert not paths.checkpoints.exists() and not paths.weights("srresnet").exists()
    assert history.read(paths.history("srresnet")) == []


def test_a_seed_of_more_than_32_bits_trains(tiny, paths):
    """NumPy's seeds and those of single draws have 32 bits."""
    config = tiny.replace(seed=2**32 + 1, label_noise=0.05, random_shift=2, pretrain_steps=0, gan_steps=2)
    assert training.fit(config, paths, "srgan", silent()).step == 2


def test_a_loss_that_is_not_finite_leaves_the_last_checkpoint_good(tiny, pretrained, monkeypatch):
    longer = tiny.replace(pretrain_steps=6)
    before = files(pretrained.model)
    with monkeypatch.context() as patched:
        patched.setattr(losses, "pixel_loss", lambda config, hr, sr: tf.reduce_sum(sr) * np.nan)
        with pytest.raises(SRGANError, match=r"became nan between steps 4 and 6.*the last checkpoint is good"):
            training.fit(longer, pretrained, "srresnet", silent())
    assert files(pretrained.model) == before
    assert [row["step"] for row in history.read(pretrained.history("srresnet"))] == [2, 4]
    assert training.fit(longer, pretrained, "srresnet", silent()).step == 6
    assert [row["step"] for row in history.read(pretrained.history("srresnet"))] == [2, 4, 6]


# What it is all for -------------------------------------------------------------------------------------------------


def test_150_steps_of_quick_beat_bicubic_on_photos_never_seen(tmp_path):
    config = preset("quick", pretrain_steps=150, sample_every=10_000, log_every=50, precision="float32")
    paths = Paths(tmp_path, "quick")
    state = training.fit(config, paths, "srresnet", silent())
    methods = SimpleNamespace(sr=upscale.network(state.generator), bicubic=upscale.bicubic)
    gains = {
        name: metrics.psnr_y(hr, methods.sr(lr)) - metrics.psnr_y(hr, methods.bicubic(lr))
        for name, lr, hr in evaluation.held_out(preparation.prepare(config, paths))
    }
    assert gains.keys() == {"chelsea.png", "coffee.png"}
    assert min(gains.values()) > 0.2, gains  # dB; 0.4 to 0.5 measured


def test_unfinished_files_of_a_killed_session_are_removed_and_nothing_else(tiny, paths):
    leftover = paths.checkpoints / ".partial-1234-srresnet-00000002.npz"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half")
    mine = paths.checkpoints / "notes.txt"
    mine.write_text("kept")
    training.fit(tiny.replace(pretrain_steps=1), paths, "srresnet", Progress())
    assert not leftover.exists() and mine.read_text() == "kept"
