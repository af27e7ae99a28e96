from __future__ import annotations

import json

import numpy as np
import pytest

from srgan.config import settings
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.runs import weights
from srgan.upscale import network, strength

SMALL = settings(blocks=1, filters=4, generator_norm=False, upsampling="espcn", global_skip=True)
TRAINING = {"stage": "srresnet", "step": 7, "seconds": 1.5, "settings": {}, "commit": "abc", "machine": "m"}
LR = np.random.default_rng(1).integers(0, 256, (9, 11, 3), np.uint8)


@pytest.fixture
def ends(tmp_path):
    """SRResNet's weights, and a GAN's that were trained from them; each network has numbers of its own."""
    paths = []
    for seed, (name, card) in enumerate(
        {"start": TRAINING | {"before": []}, "end": {"stage": "srgan", "before": [TRAINING]}}.items()
    ):
        generator, rng = networks.generator(SMALL), np.random.default_rng(seed)
        generator.set_weights([rng.normal(0, 0.2, weight.shape) for weight in generator.get_weights()])
        paths.append(tmp_path / f"{name}.weights.h5")
        weights.save(paths[-1], generator, SMALL, TRAINING | card)
    return paths


def test_a_mixture_has_so_much_of_each_weight(ends):
    start, end = (weights.load(path).get_weights() for path in ends)
    for share in (0.0, 0.25, 1.0):
        for weight, a, b in zip(strength.mixed(*ends, share).get_weights(), start, end, strict=True):
            np.testing.assert_allclose(weight, 0.75 * a + 0.25 * b if share == 0.25 else (b if share else a), rtol=1e-6)


def test_an_upscaler_of_strength_0_is_srresnet_and_of_1_the_gan(ends, monkeypatch):
    monkeypatch.setattr(weights, "find", lambda name: ends[0])
    results = {share: network.load(ends[1], share)(LR).astype(int) for share in (0.0, 0.5, 1.0)}
    assert np.abs(results[0.0] - network.load(ends[0])(LR)).max() <= 1
    assert np.abs(results[1.0] - network.load(ends[1])(LR)).max() <= 1
    assert np.abs(results[0.5] - results[0.0]).max() > 1 and np.abs(results[0.5] - results[1.0]).max() > 1


def test_two_descendants_of_one_training_can_be_mixed(ends):
    """As `photo` and `srresnet` are, where neither began from the other."""
    ancestor = TRAINING | {"step": 3, "commit": "def"}
    for path, step in zip(ends, (11, 12), strict=True):
        card = json.loads(weights.card_path(path).read_text())
        weights.card_path(path).write_text(json.dumps(card | {"step": step, "before": [ancestor]}))
    first, second = (weights.load(path).get_weights()[0] for path in ends)
    np.testing.assert_allclose(strength.mixed(*ends, 0.5).get_weights()[0], (first + second) / 2, rtol=1e-6)


def test_weights_of_other_ancestry_and_strengths_out_of_range_are_refused(ends):
    for share in (-0.1, 1.5):
        with pytest.raises(SRGANError, match=rf"strength must lie between 0 and 1, not {share:g}"):
            strength.mixed(*ends, share)
    card = json.loads(weights.card_path(ends[1]).read_text())
    weights.card_path(ends[1]).write_text(json.dumps(card | {"before": []}))
    with pytest.raises(SRGANError, match=r"neither was trained from the other, nor both from a third"):
        strength.mixed(*ends, 0.5)
