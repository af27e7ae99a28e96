from __future__ import annotations

import math
import subprocess
import sys
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from srgan.config import Config, settings
from srgan.models import networks, precision
from srgan.runs import weights
from srgan.runs.paths import PROJECT
from srgan.upscale import body_and_tail, network, tiles
from srgan.upscale.border import BORDER, Bordered
from srgan.upscale.folding import folded
from tests.models.test_networks import randomize

RNG = np.random.default_rng(0)


def test_nearest_repeats_every_pixel_four_by_four():
    lr = np.array([[[0, 1, 2], [250, 251, 252]], [[7, 8, 9], [100, 50, 0]], [[1, 1, 1], [255, 255, 255]]], np.uint8)
    sr = network.nearest(lr)
    assert sr.shape == (12, 8, 3) and sr.dtype == np.uint8
    for row in range(12):
        for column in range(8):
            assert sr[row, column].tolist() == lr[row // 4, column // 4].tolist()


def keys_kernel(distance: float) -> float:
    """Cubic convolution (Keys 1981) with a = -1/2."""
    x = abs(distance)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def cubic_matrix(length: int) -> np.ndarray:
    """(4 length, length): what each LR pixel gives to each SR pixel; pixels beyond the edge give nothing."""
    weights = np.array([[keys_kernel((i + 0.5) / 4 - 0.5 - j) for j in range(length)] for i in range(4 * length)])
    return weights / weights.sum(1, keepdims=True)


def test_bicubic_is_cubic_convolution_along_a_row():
    lr = RNG.integers(60, 190, (1, 6, 3), np.uint8)
    expected = cubic_matrix(6) @ lr[0]
    assert expected.min() > 0 and expected.max() < 255  # nothing is clipped here
    sr = network.bicubic(lr)
    assert sr.shape == (4, 24, 3) and sr.dtype == np.uint8
    for row in sr:  # one row can only be repeated downwards
        assert np.abs(row - expected).max() < 0.51


def test_bicubic_is_cubic_convolution_both_ways_and_clips():
    lr = RNG.choice(np.array([0, 255], np.uint8), (5, 4, 3))
    exact = np.einsum("ij,jkc,lk->ilc", cubic_matrix(5), lr.astype(float), cubic_matrix(4))
    assert exact.min() < -5 and exact.max() > 260
    # Pillow rounds and clips between its two passes, which moves a value by some levels where it overshoots.
    across = np.clip(np.round(np.einsum("jkc,lk->jlc", lr.astype(float), cubic_matrix(4))), 0, 255)
    expected = np.clip(np.einsum("ij,jlc->ilc", cubic_matrix(5), across), 0, 255)
    assert np.abs(network.bicubic(lr) - expected).max() < 0.51 + 0.51


@pytest.fixture(scope="module")
def generator():
    return networks.generator(settings(blocks=1, filters=8, upsampling="espcn", global_skip=True))


def test_network_is_the_generator_on_images_of_any_size_traced_once(generator):
    spy = mock.Mock(wraps=generator)
    upscaler = network.network(spy)
    sizes = [(5, 7), (1, 1), (12, 3)]
    for height, width in sizes:
        lr = RNG.integers(0, 256, (height, width, 3), np.uint8)
        sr = upscaler(lr)
        bordered = Bordered(lr)
        seen = (bordered[:, :] / 255)[None].astype(np.float32)
        expected = next(bordered.removed([generator(seen, training=False).numpy()[0]]))
        assert sr.shape == (4 * height, 4 * width, 3) and sr.dtype == np.uint8
        assert np.abs(sr - np.clip((expected + 1) * 127.5, 0, 255)).max() < 0.501
    assert spy.call_count == 1  # Python runs it only while tracing


def test_network_brings_minus_one_to_black_one_to_white_and_clips_beyond():
    levels = np.array([-3.0, -1.0, 0.0, 0.5, 1.0, 2.0], np.float32)
    upscaler = network.network(lambda lr, training: 0 * lr[:, :1, :1] + levels[None, None, :, None])
    assert upscaler.batch(np.zeros((1, 1, 2, 3), np.uint8))[0, 0, :, 0].tolist() == [0, 0, 128, 191, 255, 255]


# Folded, tiled, in half precision ------------------------------------------------------------------------------------

KINDS = {
    "pixel_shuffle": dict(head_kernel=9, output_kernel=9),
    "nearest": dict(upsampling="nearest", upsampling_activation="leaky_relu", output_activation="tanh", lr_range="minus_one_one"),
    "espcn": dict(upsampling="espcn", global_skip=True, head_kernel=3, output_kernel=3),
    "zero_one": dict(upsampling="nearest", hr_range="zero_one", output_kernel=3),
    "refined": dict(upsampling="espcn", tail_filters=4, head_kernel=3, output_kernel=3),
    "refined with a skip": dict(upsampling="espcn", tail_filters=4, global_skip=True, head_kernel=3, output_kernel=3),
}


def trained_like(kind: str, norm: bool = True) -> tuple[Config, object]:
    """A generator with its own value in every weight, and outputs that fill the range."""
    keras.utils.set_random_seed(1)
    probe = np.random.default_rng(2).random((1, 16, 16, 3), np.float32)
    config = settings(blocks=2, filters=8, generator_norm=norm, **KINDS[kind])
    generator = networks.generator(config)
    randomize(generator)
    for layer in generator.layers:
        if "conv" in layer.name:
            kernel, bias = layer.get_weights()
            signs = np.random.default_rng(len(layer.name)).choice([-1.0, 1.0], kernel.shape)
            layer.set_weights([0.7 * signs * kernel / np.sqrt(np.mean(kernel**2) * np.prod(kernel.shape[:3])), 0.1 * bias])
    last = generator.get_layer("output_conv").kernel
    last.assign(last * 0.3 / generator(probe, training=False).numpy().std())
    return config, generator


@pytest.mark.parametrize("kind", KINDS)
def test_a_folded_network_computes_what_the_network_does_at_rest(kind):
    config, generator = trained_like(kind)
    plain = folded(generator, config)
    assert not any("norm" in layer.name for layer in plain.layers)
    lr = RNG.random((2, 6, 7, 3), np.float32)
    expected = generator(lr, training=False).numpy()
    assert expected.std() > 0.05
    np.testing.assert_allclose(plain(lr), expected, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_sees_as_far_as_its_radius_and_not_a_pixel_further(kind):
    """By the gradient of one output pixel to all inputs."""
    config, generator = trained_like(kind, norm=False)
    reach = sum(tiles.radius(layers) for layers in body_and_tail.split(generator))
    side = 2 * reach + 9
    lr = tf.Variable(RNG.random((1, side, side, 3), np.float32))
    middle = side // 2
    seen = np.zeros((side, side), bool)
    for row, column in ((0, 0), (3, 3)):  # both ends of the middle LR pixel
        with tf.GradientTape() as tape:
            output = tf.reduce_sum(generator(lr, training=False)[0, 4 * middle + row, 4 * middle + column])
        seen |= np.abs(tape.gradient(output, lr).numpy()[0]).sum(-1) > 0
    rows = np.flatnonzero(seen.any(1))
    assert middle - reach <= rows.min() and rows.max() <= middle + reach
    if not config.generator.global_skip:
        assert rows.min() <= middle - reach + 1  # nor much less: the overlap is not wasted


@pytest.mark.parametrize("kind", KINDS)
def test_body_and_tail_are_the_network_and_leave_it_as_it_was(kind, tmp_path):
    _, generator = trained_like(kind)
    layers = [layer.name for layer in generator.layers]
    lr = tf.constant(RNG.random((2, 6, 7, 3), np.float32))
    features = body_and_tail.body(generator)(lr, training=False)
    assert features.shape == (2, 6, 7, 8)
    np.testing.assert_array_equal(body_and_tail.tail(generator)(features, lr), generator(lr, training=False))
    body, tail = body_and_tail.split(generator)
    assert sorted(layer.name for layer in body + tail if layer.weights) == sorted(x.name for x in generator.layers if x.weights)
    generator.save(tmp_path / "a.keras")
    assert [layer.name for layer in keras.saving.load_model(tmp_path / "a.keras").layers] == layers


LENGTHS = [(10, 1, 3), (17, 2, 3), (100, 9, 3), (57, 5, 9), (33, 2, 0), (33, 33, 0), (25, 1, 40), (20, 14, 3)]


@pytest.mark.parametrize("length, count, overlap", LENGTHS)
def test_spans_keep_every_pixel_once_and_see_far_enough(length, count, overlap):
    kept = []
    spans = tiles.spans(length, count, overlap)
    for span in spans:
        assert 0 <= span.begin <= span.first < span.last <= span.end <= length
        assert span.end - span.begin == spans[0].end
        assert span.first - span.begin >= overlap or span.begin == 0 == span.first
        assert span.end - span.last >= overlap or span.end == length == span.last
        kept += range(span.first, span.last)
    assert kept == list(range(length)) and len(spans) == count
    assert sum(span.end - span.begin for span in spans) < length + 2 * overlap * (count - 1) + count  # and no further


@pytest.mark.parametrize("tallest", [1000, 15])
@pytest.mark.parametrize("height, width, pixels, overlap", [(30, 40, 400, 3), (9, 90, 200, 2), (900, 1, 150, 3), (5, 6, 1000, 3)])
def test_the_grid_is_of_all_that_fit_the_one_that_computes_least(height, width, pixels, overlap, tallest):
    computed = []
    for rows in range(1, height):
        for columns in range(1, width + 1):
            tall = math.ceil((height - 2 * overlap) / rows) + 2 * overlap if rows > 1 else height
            wide = math.ceil((width - 2 * overlap) / columns) + 2 * overlap if columns > 1 else width
            if tall <= min(tallest, height) and wide <= width and tall * wide <= pixels:
                computed.append(rows * columns * tall * wide)
    rows, columns = tiles.grid(height, width, pixels, overlap, tallest)
    assert sum((r.end - r.begin) * (c.end - c.begin) for r in rows for c in columns) == min(computed)
    assert rows[0].end * columns[0].end <= pixels and rows[0].end <= tallest


def test_a_tile_is_never_mostly_overlap_however_little_memory_there_is():
    rows, columns = tiles.grid(500, 300, 1, 10, 1)
    assert rows[0].end <= 40 and rows[0].end * columns[0].end <= 1600
    assert sum(row.end - row.begin for row in rows) < 2.1 * 500


@pytest.fixture
def in_tiles(monkeypatch):
    """Every image goes through in the smallest tiles."""
    monkeypatch.setattr(tiles, "SMALLEST", 0)
    monkeypatch.setattr(tiles, "spare", lambda: 1)


def with_its_border(upscaler: network.Network, lr: np.ndarray) -> np.ndarray:
    """SR of the image as a whole, its mirror image around it."""
    height, width = lr.shape[:2]
    more = -(width + 2 * BORDER) % 8
    mirrored = np.pad(lr, ((BORDER, BORDER), (BORDER, BORDER + more), (0, 0)), "symmetric")
    return upscaler.batch(mirrored[None])[0][4 * BORDER :, 4 * BORDER :][: 4 * height, : 4 * width]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("height, width", [(61, 83), (1, 130), (130, 1), (49, 3), (1, 1)])
def test_tiles_give_the_whole_image(kind, height, width, in_tiles):
    _, generator = trained_like(kind)
    lr = RNG.integers(0, 256, (height, width, 3), np.uint8)
    upscaler = network.network(generator)
    whole = with_its_border(upscaler, lr)
    bands = list(upscaler.bands(lr))
    overlap = sum(tiles.radius(layers) for layers in body_and_tail.split(generator))
    assert len(bands) == 1 if height <= 2 * overlap else len(bands) >= height // (2 * overlap)
    assert all(band.shape[1:] == (4 * width, 3) for band in bands)
    difference = np.abs(np.concatenate(bands).astype(int) - whole)
    assert difference.max() <= 1 and np.mean(difference > 0) < 1e-3
    np.testing.assert_array_equal(upscaler(lr), np.concatenate(bands))
    assert min(height, width) < 40 or whole.std() > 2


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_of_any_size_give_the_whole_image(kind, monkeypatch):
    monkeypatch.setattr(tiles, "SMALLEST", 0)
    _, generator = trained_like(kind, norm=False)
    lr = RNG.integers(0, 256, (97, 90, 3), np.uint8)
    whole = with_its_border(network.network(generator), lr).astype(int)
    for memory in (10**6, 4 * 10**6):
        assert np.abs(network.network(generator, memory)(lr) - whole).max() <= 1


def test_what_fits_goes_through_in_one_piece_and_small_images_always(generator, monkeypatch):
    upscaler = network.network(generator)
    monkeypatch.setattr(upscaler, "_tile", mock.Mock(side_effect=AssertionError("tiles")))
    lr = np.zeros((200, 200, 3), np.uint8)
    assert upscaler(lr).shape == (800, 800, 3)
    monkeypatch.setattr(tiles, "spare", lambda: 10**6)
    assert upscaler(lr[:128, :128]).shape == (512, 512, 3)
    with pytest.raises(AssertionError, match="tiles"):
        upscaler(lr)


def test_an_image_has_its_mirror_image_beyond_its_edge_and_a_patch_of_a_batch_has_none(generator):
    lr = RNG.integers(0, 256, (3, 6, 5, 3), np.uint8)
    upscaler = network.network(generator)
    for image in lr:
        np.testing.assert_array_equal(upscaler(image), with_its_border(upscaler, image))
    patches = upscaler.batch(lr)
    np.testing.assert_array_equal(patches, np.stack([upscaler.batch(image[None])[0] for image in lr]))
    assert not np.array_equal(patches[0], upscaler(lr[0]))


def test_the_edge_of_a_plain_image_is_as_its_middle():
    """Where zeros stood beyond the edge, the network would draw one."""
    _, generator = trained_like("espcn")
    sr = network.network(generator)(np.full((30, 30, 3), 140, np.uint8)).astype(int)
    inner = [sr[4 * cell : 4 * cell + 4, 60:64] for cell in (1, 15)]  # equal places of the shuffle's cells
    assert np.abs(inner[0] - inner[1]).max() <= 12


def test_the_fast_upscaler_is_the_network_without_its_norms():
    config, generator = trained_like("pixel_shuffle")
    lr = RNG.integers(0, 256, (20, 30, 3), np.uint8)
    expected = network.network(generator)(lr).astype(int)
    assert np.abs(network.fast(generator, config, "float32")(lr) - expected).max() <= 1


def test_half_precision_is_used_where_it_shows_in_no_picture_and_only_there(monkeypatch):
    policies = []
    real = network.folded
    monkeypatch.setattr(network, "folded", lambda *args, **sums: policies.append((args[2:], *sums.values())) or real(*args, **sums))
    config = settings(blocks=1, filters=8, upsampling="espcn", global_skip=True, generator_norm=False)
    generator = networks.generator(config)  # near bicubic: what is computed in half precision adds little
    lr = RNG.integers(0, 256, (20, 30, 3), np.uint8)
    half, exact = network.fast(generator, config, "mixed_bfloat16"), network.network(generator)
    assert policies == [((),), (("mixed_bfloat16",), None)]
    assert half._generator.get_layer("block1_conv1").compute_dtype == "bfloat16"
    assert half.arithmetic == "in bfloat16, which is fastest here"
    assert np.mean(np.abs(half(lr).astype(int) - exact(lr)) <= 1) >= 0.999

    sums_of = lambda upscaler: upscaler._generator.get_layer("block1_add").compute_dtype  # noqa: E731
    monkeypatch.setattr(network, "agree", lambda exact, reduced: sums_of(reduced) == "float32")
    mixed = network.fast(generator, config, "mixed_bfloat16")
    assert sums_of(mixed) == "float32" and mixed._generator.get_layer("block1_conv1").compute_dtype == "bfloat16"
    assert mixed.arithmetic == "in bfloat16, which is fastest here, but for the sums around its blocks"

    monkeypatch.setattr(network, "agree", lambda *networks: False)
    refused = network.fast(generator, config, "mixed_bfloat16")
    assert refused._generator.get_layer("block1_conv1").compute_dtype == "float32"
    assert refused.arithmetic == "in float32: with these weights the faster bfloat16 would be seen in the picture"


@pytest.mark.parametrize("share, levels, same", [(0.01, 1, True), (0.01, 2, False), (0.0005, 200, True), (0.002, 200, False)])
def test_two_networks_agree_if_999_of_1000_values_are_within_a_level(share, levels, same):
    def off(lr):
        sr = network.bicubic(lr).copy()
        places = np.random.default_rng(0).permutation(sr.size)[: round(share * sr.size)]
        flat = sr.ravel()
        flat[places] = np.where(flat[places] > 127, flat[places] - levels, flat[places] + levels)
        return flat.reshape(sr.shape)

    assert network.agree(network.bicubic, off) is same


def test_weights_are_loaded_for_speed(tmp_path, monkeypatch):
    config, generator = trained_like("pixel_shuffle")
    weights.save(tmp_path / "a.weights.h5", generator, config, {"stage": "srgan"})
    monkeypatch.setattr(precision, "resolve", lambda wanted: "float32")
    lr = RNG.integers(0, 256, (9, 8, 3), np.uint8)
    loaded = network.load(tmp_path / "a.weights.h5")
    assert not any("norm" in layer.name for layer in loaded._generator.layers)
    assert np.abs(loaded(lr).astype(int) - network.network(generator)(lr)).max() <= 1


@pytest.mark.parametrize("slope", [0.9, 1.0, 1.1])
def test_slopes_above_one_are_computed_as_such(slope):
    config, generator = trained_like("pixel_shuffle")
    for name in ("head_prelu", "up2_prelu"):
        alpha = generator.get_layer(name).alpha
        alpha.assign(tf.where(tf.range(8) == 3, slope, -0.1) * tf.ones_like(alpha))
    plain = folded(generator, config)
    assert plain.get_layer("head_prelu").slopes_at_most_one == plain.get_layer("up2_prelu").slopes_at_most_one == (slope <= 1)
    assert plain.get_layer("block1_prelu").slopes_at_most_one and not generator.get_layer("block1_prelu").slopes_at_most_one
    lr = RNG.random((2, 6, 7, 3), np.float32)
    np.testing.assert_allclose(plain(lr), generator(lr, training=False), atol=2e-5)


# Memory, each time in a process of its own ----------------------------------------------------------------------------

STREAM = """
import resource, sys
from pathlib import Path
from srgan.runs.load_tensorflow import load_tensorflow
load_tensorflow()
import numpy as np
from srgan.config import settings
from srgan.data.pictures import Picture
from srgan.models import networks
from srgan.upscale import image_files
from srgan.upscale.network import Network

kind, height, width, memory, path = sys.argv[1], *map(int, sys.argv[2:5]), sys.argv[5]
kinds = {"espcn": dict(blocks=2, upsampling="espcn", global_skip=True, head_kernel=3, output_kernel=3)}
config = settings(filters=32, **kinds.get(kind, dict(blocks=1, upsampling=kind)))
network = Network(networks.generator(config), memory)
small = np.zeros((1, 24, 24, 3), np.uint8)
network._halves[1].run(network._halves[0].run(small), small)
lr = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
image_files.write(Path(path), [network.bands(lr)], 4 * height, 4 * width, Picture([lr], 'PNG'))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def streamed(kind: str, height: int, width: int, memory: int, path) -> int:
    """How many bytes a process grows while it upscales an image into a PNG."""
    command = [sys.executable, "-c", STREAM, kind, *map(str, (height, width, memory)), str(path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Image.open(path) as image:
        assert image.size == (4 * width, 4 * height)
    return int(done.stdout)


PACKING = 40 * 2**20  # what is under way in the PNG's threads


@pytest.mark.parametrize("kind, height, width", [("espcn", 600, 900), ("pixel_shuffle", 200, 300), ("nearest", 120, 160)])
def test_the_memory_that_was_promised_is_not_exceeded(kind, height, width, tmp_path):
    """Without tiles these would take some ten times as much."""
    memory = 64 * 2**20
    grown = streamed(kind, height, width, memory, tmp_path / "a.png")
    assert grown < memory + PACKING


def test_images_of_16_bits_a_channel_are_computed_in_float32(generator):
    lr = RNG.integers(0, 2**16, (6, 7, 3), np.uint16)
    config = settings(blocks=1, filters=8, upsampling="espcn", global_skip=True)
    reduced = network.fast(generator, config, "mixed_bfloat16")
    assert reduced._generator.get_layer("output_conv").compute_dtype == "bfloat16"
    np.testing.assert_array_equal(reduced(lr), network.fast(generator, config, "float32")(lr))
