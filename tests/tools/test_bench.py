"""The bench: its arithmetic by hand, contenders that die, and peers that are the same network as ours."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from srgan.config import settings
from srgan.errors import SRGANError
from tools.bench import race as race_module
from tools.bench.race import Contender, race

PAPER_SMALL = dict(
    blocks=2, filters=8, head_kernel=5, output_kernel=5, hr_size=32, batch_size=2, discriminator_filters=4,
    discriminator_dense=8, content="vgg19/block2_conv2", precision="float32",
)  # fmt: skip


# Contenders: they run in processes of their own, which import this file.


def writes(path: Path, word: str, seconds: float):
    def measure():
        with open(path, "a") as file:
            file.write(word)
        return seconds

    return measure


def dies(path: Path):
    def measure():
        if path.exists():  # from the second round on
            os.kill(os.getpid(), signal.SIGKILL)
        path.touch()
        return 1.0

    return measure


def exits():
    print("the last words")
    os._exit(3)


def raises():
    raise RuntimeError("no room\nin the second line nothing of use")


def lacks_torch():
    raise ModuleNotFoundError("No module named 'torch'", name="torch")


def holds(count: int):
    block = np.ones(count, np.uint8)
    return lambda: float(block[0])


def falls_back():
    measure = lambda: 1.0  # noqa: E731
    measure.format = "float32"
    return measure


def hangs():
    time.sleep(60)


def becomes_nan():
    from tools.bench import work

    values = iter([1.0, 1.0, 1.0])
    return work.repeated(lambda: next(values, float("nan")))


def here(function: str, **arguments) -> Contender:
    return Contender(function, f"tests.tools.test_bench:{function}", arguments)


# Arithmetic


def test_contenders_take_turns_forward_and_backward():
    assert "".join(race_module.alternating(["a", "b", "c"], 4)) == "abccbaabccba"


def test_median_quartiles_and_ratios_by_hand(tmp_path):
    assert race_module.summary([5.0, 1.0, 4.0, 2.0, 3.0]) == {"median": 3.0, "quartiles": [2.0, 4.0]}
    assert race_module.summary([1.0, 2.0, 4.0, 8.0]) == {"median": 3.0, "quartiles": [1.75, 5.0]}
    assert race_module.summary([7.0]) == {"median": 7.0, "quartiles": [7.0, 7.0]}
    log = tmp_path / "log"
    rows = race([here("writes", path=log, word=word, seconds=seconds) for word, seconds in (("a", 2.0), ("b", 5.0), ("c", 1.0))], 4)
    assert log.read_text() == "abccbaabccba"
    assert [(row["seconds"], row["times"]) for row in rows] == [([2.0] * 4, 1.0), ([5.0] * 4, 2.5), ([1.0] * 4, 0.5)]


def test_short_work_is_repeated_and_its_mean_taken(monkeypatch):
    """By a clock of our own."""
    from tools.bench import work

    now, takes = [0.0], [0.5, 0.5, 0.03, *[0.01, 0.03] * 4]  # seconds of each call; the first two warm up

    def call():
        now[0] += takes.pop(0)
        return 1.0

    monkeypatch.setattr(work.time, "perf_counter", lambda: now[0])
    measure = work.repeated(call)
    assert len(takes) == 8
    assert measure() == pytest.approx(0.02 - 0.01 / 7) and len(takes) == 1  # seven calls of 0.03 s take 0.2 s


def test_durations_and_numbers_have_three_digits():
    from tools.bench import table

    shown = {12.345: "12.3 s", 1.0: "1.00 s", 0.0456: "45.6 ms", 0.000789: "789 µs", 0.5: "500 ms", 1234.5: "1,234 s"}
    assert {seconds: table.duration(seconds) for seconds in shown} == shown


def test_operations_are_those_of_the_formula_by_hand():
    from srgan.models import networks
    from tools.bench import flops

    config, batch, side = settings(blocks=3, filters=16), 5, 7  # the paper's kernels: 9x9 first and last
    body = 9 * 16 * 16 * (2 * config.generator.blocks + 1)
    first = 81 * 3 * 16
    up1, up2, last = 9 * 16 * 64, 9 * 16 * 64, 81 * 16 * 3  # at 1, 2 and 4 times the side
    by_hand = 2 * batch * side * side * (first + body + up1 + 4 * up2 + 16 * last)
    generator = networks.generator(config)
    assert flops.forward(generator, (batch, side, side)) == by_hand
    assert flops.training(generator, (batch, side, side)) == 3 * by_hand - 2 * batch * side * side * first

    config = settings(**PAPER_SMALL)
    sides = {16: [(3, 4), (4, 4)], 8: [(4, 8), (8, 8)], 4: [(8, 16), (16, 16)], 2: [(16, 32), (32, 32)]}
    convolutions = 9 * (32 * 32 * 3 * 4)  # the first one, whose input is the image
    for out, ((a, b), (c, d)) in sides.items():
        stride_one = 0 if out == 16 else (2 * out) ** 2 * a * b
        convolutions += 9 * (stride_one + out * out * (4 * 4 if out == 16 else c * d))
    dense = 2 * 2 * 32 * 8 + 8
    discriminator = networks.discriminator(config)
    assert flops.forward(discriminator, (3, 32, 32)) == 2 * 3 * (convolutions + dense)


# Contenders that fail


def test_a_contender_that_dies_is_a_row_with_the_reason(tmp_path):
    log = tmp_path / "log"
    contenders = [
        here("writes", path=log, word="a", seconds=2.0), here("dies", path=tmp_path / "once"), here("exits"), here("raises"),
        here("lacks_torch"), here("becomes_nan"), here("missing"), here("writes", path=log, word="b", seconds=3.0),
    ]  # fmt: skip
    rows = race(contenders, 3)
    assert [row["failed"] for row in rows] == [
        "", "died of SIGKILL (out of memory?)", "ended with status 3: the last words", "RuntimeError: no room",
        "PyTorch is not installed", "ArithmeticError: what it computes became nan",
        "AttributeError: module 'tests.tools.test_bench' has no attribute 'missing'", "",
    ]  # fmt: skip
    assert log.read_text() == "abbaab"
    assert [row["times"] for row in rows] == [1.0] + [None] * 6 + [1.5]


def test_a_format_that_was_refused_is_told():
    (row,) = race([Contender("ours", "tests.tools.test_bench:falls_back", format="bfloat16")], 1)
    assert (row["name"], row["format"]) == ("ours (bfloat16 is refused)", "float32")


def test_a_contender_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(race_module, "PATIENCE", 0.5)
    assert race([here("hangs")], 1)[0]["failed"] == "no answer in 0 s"


def test_peak_memory_is_the_contenders_own():
    ours = np.ones(400_000_000, np.uint8)  # a process begins with the ru_maxrss of the one that starts it
    small, large = race([here("holds", count=1), here("holds", count=200_000_000)], 1)
    assert 150e6 < large["peak_memory"] - small["peak_memory"] < 250e6
    assert small["peak_memory"] < 200e6 < ours.nbytes


# The whole


@pytest.fixture
def small_plan(monkeypatch):
    """--quick measures three sections, with a network as small as it gets."""
    from tools.bench import sections

    config = settings(preset="paper", **PAPER_SMALL).replace(blocks=1)
    plan = sections.Plan(config, image=8, rounds=2, few=1, copies=2, trained_steps=2, everything=False)
    monkeypatch.setitem(sections.SIZES, "quick", (plan, ("image",)))
    kept = {name: sections.SECTIONS[name] for name in ("pretrain", "batch", "image", "pipeline")}
    monkeypatch.setattr(sections, "SECTIONS", kept)


def test_quick_ends_in_tables_json_and_page(small_plan, tmp_path, capsys):
    from tools.__main__ import main

    results_file, page = tmp_path / "results.json", tmp_path / "bench.md"
    marks = [f"<!-- results: written by `python -m tools bench, {which} amx_bf16` -->" for which in ("with", "without")]
    page.write_text("".join(f"{mark}\nold\n<!-- end of results -->\n" for mark in marks))
    assert main(["bench", "--quick", "--json", str(results_file), "--markdown", str(page)]) == 0
    results = json.loads(results_file.read_text())
    ours, keras, torch = results["sections"]["pretrain"]["rows"]
    assert [ours["failed"], keras["failed"]] == ["", ""] and len(ours["seconds"]) == len(keras["seconds"]) == 2
    assert keras["times"] == pytest.approx(statistics.median(keras["seconds"]) / statistics.median(ours["seconds"]))
    by_hand = 2 * 2 * 8 * 8 * (3 * (25 * 3 * 8 + 3 * 9 * 64 + 5 * 9 * 256 + 16 * 25 * 24) - 25 * 3 * 8)
    assert ours["also"]["GFLOP/s"] == pytest.approx(by_hand / 1e9 / ours["median"])
    installed = importlib.util.find_spec("torch") is not None
    assert torch["failed"] == ("" if installed else "PyTorch is not installed")

    ours_upscaling, keras_upscaling, _ = results["sections"]["batch"]["rows"]  # by trained weights
    assert [ours_upscaling["failed"], keras_upscaling["failed"]] == ["", ""] and "image" not in results["sections"]
    memory, first_epoch, later = results["sections"]["pipeline"]["rows"]
    for row in (memory, first_epoch, later):
        assert row["also"]["batches in our fastest pre-training step (wanted: 20)"] == pytest.approx(ours["median"] / row["median"])
    assert results["size"] == "quick" and results["commit"] and len(results["load"]) == 2

    printed, text = capsys.readouterr().out, page.read_text()
    for row in (ours, keras, memory, first_epoch, later):
        assert row["name"] in printed and row["name"] in text
    assert f"| {keras['times']:.2f} |" in text

    # The page again, from the JSON alone.
    assert main(["bench", "--from", str(results_file), "--markdown", str(page)]) == 0
    assert page.read_text() == text and text.count("\nold\n") == 1  # of the other kind of machine


def test_weights_that_come_with_the_project_and_peers_are_rows_with_their_quality(monkeypatch, tmp_path):
    from srgan.runs import weights
    from tools.bench import peers, sections

    def raced(contenders, rounds):
        done = [{"name": each.name, "format": each.format, "failed": "", "median": 0.5} for each in contenders]
        done[-1]["failed"] = "ncnn is not installed"
        return done

    monkeypatch.setattr(sections, "race", raced)
    monkeypatch.setattr(peers, "psnr_y", lambda name, benchmark: {"ESRGAN medium": 25.5, "ESRGAN thick": None}[name])
    rows = sections.shipped(sections.Plan(image=100, everything=False), tmp_path, {})["rows"]
    assert [row["name"] for row in rows] == [*weights.shipped(), *peers.PEERS]
    *ours, medium, thick, span = rows
    for row in ours:
        score = weights.card(weights.find(row["name"]))["scores"]["Set14"]["psnr_y"]
        assert row["also"] == {"MP/s": pytest.approx(0.32), "PSNR-Y on Set14, dB": score}
    assert medium["also"]["PSNR-Y on Set14, dB"] == 25.5
    assert "PSNR-Y on Set14, dB" not in thick["also"] and "also" not in span


@pytest.mark.parametrize(("name", "package"), [("ESRGAN thick", "esrgan-thick"), ("SPAN by ncnn", "ncnn")])
def test_a_peer_that_is_not_installed_is_a_row_that_says_so(monkeypatch, tmp_path, name, package):
    from tools.bench import peers

    monkeypatch.setenv("SRGAN_PEERS", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ncnn", None)  # as if it was not there
    with pytest.raises(ModuleNotFoundError) as caught:
        peers.measure(name, (1, 8, 8))
    assert caught.value.name == package


def test_without_a_gpu_its_bench_says_what_to_do():
    import tensorflow as tf

    from tools import bench

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("There is a GPU.")
    with pytest.raises(SRGANError, match="TensorFlow sees no GPU here"):
        bench.run("gpu")


@pytest.mark.parametrize("content", [None, "{", "[]", '{"format": 0, "sections": {}}'])
def test_a_file_without_results_is_told_in_words(tmp_path, capsys, content):
    from tools.__main__ import main

    path = tmp_path / "results.json"
    if content is not None:
        path.write_text(content)
    assert main(["bench", "--from", str(path)]) == 1
    assert f"Error: {path}" in (said := capsys.readouterr().err) and "python -m tools bench --json FILE" in said


def test_a_reason_stands_in_the_row_of_every_table():
    from tools.bench import table

    good = {"name": "ours", "format": "float32", "failed": "", "median": 0.25, "quartiles": [0.2, 0.3], "times": 1.0,
            "peak_memory": 2**30, "also": {"GFLOP/s": 12.5, "of the convolution's peak": 0.5}}  # fmt: skip
    bad = {"name": "PyTorch", "format": "float32", "failed": "PyTorch is not installed", "times": None}
    section = {"title": "Steps", "compares": True, "rows": [good, bad]}
    lines = table.text(section).splitlines()
    assert lines[0] == "Steps" and lines[3] == "PyTorch, float32  PyTorch is not installed"
    assert lines[2].split() == [
        "ours,",
        "float32",
        "250",
        "ms",
        "200",
        "ms",
        "to",
        "300",
        "ms",
        "1.00",
        "12.5",
        "50%",
        "1,024",
        "MiB",
    ]
    assert len(lines[1]) == len(lines[2])


def test_a_larger_pack_holds_the_same_photos_over_and_over(tiny, paths, tmp_path):
    from srgan.data import dataset, preparation
    from tools.bench import running

    small = preparation.prepare(tiny, paths)
    running.enlarge(small.folder, tmp_path / "large", 3)
    large = dataset.Dataset(tmp_path / "large", tiny)  # in memory: its checksum holds
    count = len(small.train)
    assert len(large.train) == 3 * count and large.train.names() == 3 * small.train.names()
    for i in range(3 * count):
        for one, other in zip(large.train.pair(i), small.train.pair(i % count), strict=True):
            np.testing.assert_array_equal(one, other)
    assert len({entry["offset"] for entry in large.train.index}) == 3 * count


def test_batches_from_disk_come_from_a_mapped_file(tiny, paths, monkeypatch):
    from srgan.data import dataset, preparation
    from tools.bench import running

    folder = preparation.prepare(tiny, paths).folder
    monkeypatch.setattr(dataset, "IN_MEMORY", dataset.IN_MEMORY)  # put back afterwards
    dropped, opened = [], []
    monkeypatch.setattr(running, "drop_from_cache", dropped.append)
    whole = dataset.Dataset

    def watched(*arguments):
        opened.append(whole(*arguments))
        return opened[-1]

    monkeypatch.setattr(running, "Dataset", watched)
    assert (
        running.batches_from_disk(tiny, folder, checked=False)() > 0 and running.batches_from_disk(tiny, folder, checked=True)() > 0
    )
    assert dropped == 2 * [folder / "train.u8"] and isinstance(opened[0].train._pixels, np.memmap)


def test_resuming_is_measured_on_a_training_that_goes_on(tmp_path, monkeypatch):
    from srgan.runs import checkpoints
    from tools.bench import running

    changes = {"blocks": 1, "filters": 4, "hr_size": 32, "batch_size": 2}
    begun = time.perf_counter()
    measure = running.resume(changes, tmp_path)
    seconds = measure()
    assert 0.5 < seconds < time.perf_counter() - begun
    assert [about["step"] for about in checkpoints.about(tmp_path / "model" / "resume" / "checkpoints", "srresnet")] == [3, 2]

    # The clock stops at the step's own line; a training that begins anew is none that goes on.
    stand_in = tmp_path / "python"
    monkeypatch.setattr(running.sys, "executable", str(stand_in))
    for first_line, how in (("Going on from a checkpoint", "goes on"), ("Beginning", "begins anew")):
        stand_in.write_text(f"#!/bin/sh\necho {first_line}\necho 'srresnet step 4 of 4  loss 1'\nsleep 1\necho Weights\n")
        stand_in.chmod(0o755)
        if how == "goes on":
            assert running._pretrain(changes, tmp_path, 4) < 0.5
        else:
            with pytest.raises(RuntimeError, match="did not go on: Weights"):
                running._pretrain(changes, tmp_path, 4)
    monkeypatch.setattr(running.sys, "executable", "false")
    with pytest.raises(RuntimeError, match="did not go on: it said nothing"):
        measure()


# The peers


@pytest.fixture(scope="module")
def ours():
    """Our networks with weights that are all random, moving averages and slopes among them."""
    from srgan.models import networks

    config, rng = settings(**PAPER_SMALL), np.random.default_rng(0)
    networks = networks.generator(config), networks.discriminator(config)
    for network in networks:
        for weight in network.weights:
            low = 0.5 if "variance" in weight.path or "gamma" in weight.path else -0.2
            weight.assign(rng.uniform(low, low + 0.4, weight.shape))
    return config, *networks


def images(config, seed=1):
    rng = np.random.default_rng(seed)
    lr = rng.uniform(0, 1, (2, config.data.hr_size // 4, config.data.hr_size // 4, 3)).astype(np.float32)
    return lr, rng.uniform(-1, 1, (2, config.data.hr_size, config.data.hr_size, 3)).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x)))


def test_the_classic_networks_are_ours(ours):
    from tools.bench import classic

    config, generator, discriminator = ours
    lr, hr = images(config)
    peers = classic.generator(config), classic.discriminator(config)
    for peer, network in zip(peers, (generator, discriminator), strict=True):
        assert [w.shape for w in peer.weights] == [w.shape for w in network.weights]
        assert not any(type(layer).__module__.startswith("srgan") for layer in peer.layers)
        peer.set_weights(network.get_weights())
    np.testing.assert_allclose(peers[0](lr, training=False), generator(lr, training=False), atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(peers[1](hr, training=False), sigmoid(discriminator(hr, training=False)), atol=1e-5)
    np.testing.assert_allclose(peers[0](lr, training=True), generator(lr, training=True), atol=1e-4, rtol=1e-4)


def test_the_classic_loop_trains_each_network_in_its_turn_on_the_papers_losses():
    import keras

    from srgan.train import perceptual_features
    from tools.bench import classic

    keras.utils.set_random_seed(1)
    config = settings(**PAPER_SMALL).replace(blocks=1, gan_learning_rate=1e-4, adversarial_weight=0.5)
    networks = classic.Networks(config, xla=False)
    generator, discriminator = networks.generator, networks.discriminator
    names = perceptual_features.layers_up_to("vgg19", "block2_conv2")
    convolutions = perceptual_features.convolutions_of(networks.features.layers[2], names)
    features = perceptual_features.vgg(names, convolutions, {"block2_conv2": config.loss.content_scale})
    lr, hr = images(config)

    before = generator.get_weights()
    sr = np.asarray(generator(lr, training=True))
    generator.set_weights(before)
    judged, train_on_batch = [], discriminator.train_on_batch
    discriminator.train_on_batch = lambda x, y: (judged.append((x, y)), train_on_batch(x, y))
    loss = networks.train(lr, hr)
    (photos, real), (pictures, fake) = judged
    assert np.array_equal(photos, hr) and (real == 1).all() and (fake == 0).all()
    inferring = classic.generator(config)
    inferring.set_weights(before)
    np.testing.assert_allclose(pictures, inferring(lr, training=False), atol=1e-5)
    # The combined model sees D as the two rounds before left it, in inference.
    content = np.mean((np.asarray(features(hr)) - np.asarray(features(sr))) ** 2)
    assert loss == pytest.approx(content + 0.5 * np.mean(-np.log(np.asarray(discriminator(sr, training=False)))), rel=1e-4)
    assert [int(model.optimizer.iterations) for model in (discriminator, networks.combined)] == [2, 1]

    d_before, g_before = discriminator.get_weights(), generator.get_weights()
    networks.combined.train_on_batch(lr, [np.ones((2, 1), np.float32), np.asarray(features(hr))])
    assert all(np.array_equal(one, other) for one, other in zip(d_before, discriminator.get_weights(), strict=True))
    assert not any(np.array_equal(one, other) for one, other in zip(g_before, generator.get_weights(), strict=True))
    networks.train(lr, hr)
    kernels = [i for i, weight in enumerate(d_before) if weight.ndim > 1]
    assert not any(np.array_equal(d_before[i], discriminator.get_weights()[i]) for i in kernels)


def to_torch(images, turned=False):
    import torch

    images = images[:, ::-1, ::-1] if turned else images
    return torch.from_numpy(np.ascontiguousarray(np.transpose(images, (0, 3, 1, 2))))


def test_the_torch_networks_are_ours(ours):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from tools.bench import torch_twin, trained

    config, generator, discriminator = ours
    lr, hr = images(config)
    peers = torch_twin.Generator(config), torch_twin.Discriminator(config)
    for peer, network, turned in zip(peers, (generator, discriminator), (False, True), strict=True):
        assert sum(weight.numel() for weight in peer.parameters()) == sum(np.prod(w.shape) for w in network.trainable_weights)
        torch_twin.load(peer, trained.arrays_for_torch(network, turned))
    for training in (False, True):
        with torch.no_grad():
            sr = peers[0].train(training)(to_torch(lr)).numpy().transpose(0, 2, 3, 1)
            logits = peers[1].train(training)(to_torch(hr, turned=True)).numpy()
        np.testing.assert_allclose(sr, generator(lr, training=training), atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(logits, discriminator(hr, training=training), atol=1e-4, rtol=1e-4)


def test_the_torch_gan_step_is_ours(ours):
    """Three updates with the same losses, of which each depends on those before."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    import keras

    from srgan.train import perceptual_features, steps
    from srgan.train.state import State
    from tools.bench import torch_twin, trained

    config = settings(**PAPER_SMALL, gan_learning_rate=1e-3, adversarial_weight=0.5)
    state = State(config, "srgan")
    vgg = keras.applications.VGG19(include_top=False, weights=None)
    vgg = keras.Model(vgg.input, vgg.get_layer("block2_conv2").output)
    names = perceptual_features.layers_up_to("vgg19", "block2_conv2")
    extract = perceptual_features.vgg(
        names, perceptual_features.convolutions_of(vgg, names), {"block2_conv2": config.loss.content_scale}
    )
    place = torch_twin.Place("float32", channels_last=True)
    generator, discriminator, features = (
        place.put(kind(config)) for kind in (torch_twin.Generator, torch_twin.Discriminator, torch_twin.Features)
    )
    for network, peer in ((state.generator, generator), (state.discriminator, discriminator), (vgg, features)):
        torch_twin.load(peer, trained.arrays_for_torch(network, turned=True))

    state.g_optimizer.learning_rate = state.d_optimizer.learning_rate = config.optimization.gan_learning_rate
    ours = steps.gan_step(config, state, extract)
    theirs = torch_twin.gan_step(config, place, generator, discriminator, features)
    lr, hr = images(config)
    turned_lr, turned_hr = 255.0 * to_torch(lr, turned=True), 127.5 * (to_torch(hr, turned=True) + 1.0)
    import tensorflow as tf

    batch = steps.Batch(lr, hr, *(tf.fill((len(lr), 1), label) for label in (1.0, 0.0, 1.0)), tf.zeros(2, tf.int32))
    losses = [(float(ours(batch)["perceptual"]), float(theirs(turned_lr, turned_hr))) for _ in range(3)]
    for our_loss, their_loss in losses:
        assert their_loss == pytest.approx(our_loss, rel=1e-3)
    assert abs(losses[2][0] - losses[0][0]) > 0.01 * losses[0][0]
