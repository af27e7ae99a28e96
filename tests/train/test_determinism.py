"""No sum in a step's graph whose order is a matter of timing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from srgan.models import layers, lpips
from srgan.presets import preset
from srgan.train.compiled import compile_updates
from srgan.train.state import State

SMALL = dict(blocks=2, filters=4, hr_size=32, batch_size=2, discriminator_filters=2, discriminator_dense=4, content="pixels")
SETTINGS = {
    "quick": preset("quick", **SMALL),
    "quick in float32": preset("quick", **SMALL, precision="float32"),
    "paper": preset("paper", **SMALL, total_variation_weight=1e-3),
    "shipped": preset(
        "shipped", **SMALL, tail_filters=4, chroma_weight=3.0, spectrum_weight=0.1, texture_weight=1.0, dataset="samples"
    ),
}

SAME_MEMORY = ("Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient")  # their output lies where their input does
KEPT = ("Const", "ReadVariableOp", "_Arg", "Enter")  # theirs is needed later on


def features(images: tf.Tensor) -> lpips.Seen:
    """Of two depths, the second made of the first, as a trained network's are."""
    first = tf.nn.relu(tf.nn.avg_pool2d(images, 2, 1, "VALID"))
    depths = [first, tf.nn.relu(tf.nn.avg_pool2d(first, 2, 2, "VALID"))]
    return lpips.Seen([lpips._unit(depth) for depth in depths], [layers.forked(depth) for depth in depths])


def nodes(config, stage: str) -> dict:
    """What runs in one step, after all that TensorFlow changes in its graph."""
    state = State(config, stage)
    update = compile_updates(config, state, features if config.loss.texture_weight else None)
    batch, size = config.data.batch_size, config.data.hr_size
    lr, hr = (tf.zeros((1, batch, side, side, 3), tf.uint8) for side in (size // 4, size))
    return ran(lambda: update(tf.constant(0, tf.int64), tf.constant([0.0]), lr, hr))


def ran(function: Callable) -> dict:
    """The operations that `function` runs, by name."""
    context.context().enable_graph_collection()
    try:
        function()
        graphs = context.context().export_run_metadata().function_graphs
    finally:
        context.context().disable_graph_collection()
    return {node.name: node for graph in graphs for part in graph.partition_graphs for node in part.node}


def sums_in_doubt(found: dict) -> list[str]:
    """The sums of three or more whose order is open.

    AddN adds onto the first of its inputs whose memory no other operation needs any more, and puts it first; to change the first
    two for one another changes nothing. So one of these must be needed by nothing else.
    """

    def memory(name: str) -> str:
        node = found.get(name.split(":")[0])
        return memory(node.input[0]) if node is not None and node.op in SAME_MEMORY else name

    users = [node for node in found.values() if node.op not in SAME_MEMORY]
    uses = Counter(memory(name) for node in users for name in node.input if not name.startswith("^"))
    uses.update(2 * [node.name for node in found.values() if node.op in KEPT])
    sums = [node for node in users if node.op == "AddN" and node.attr["N"].i >= 3]
    return [f"{node.name} of {list(node.input)}" for node in sums if all(uses[memory(name)] > 1 for name in node.input[:2])]


@pytest.mark.parametrize("stage", ["srresnet", "srgan"])
@pytest.mark.parametrize("settings", SETTINGS)
def test_the_order_of_every_sum_is_fixed(settings, stage):
    found = nodes(SETTINGS[settings], stage)
    assert any(node.op == "ResourceApplyAdam" for node in found.values())
    assert sums_in_doubt(found) == []


def test_a_sum_in_doubt_is_found():
    @tf.function
    def add(x):
        a, b = tf.cos(x), tf.exp(x)  # by their names they come first
        return tf.raw_ops.AddN(inputs=[a, b, tf.sin(x)]), a * b

    assert len(sums_in_doubt(ran(lambda: add(tf.ones(3))))) == 1
