from __future__ import annotations

import numpy as np
import pytest

from srgan.config import settings
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.runs import weights

PLAIN = settings(blocks=1, filters=8, head_kernel=3, output_kernel=3, generator_norm=False, upsampling="espcn", global_skip=True)
REFINED = PLAIN.replace(tail_filters=4)
LR = np.random.default_rng(0).random((1, 6, 7, 3)).astype(np.float32)


@pytest.fixture
def plain(tmp_path):
    """Weights without a refinement, and their generator with its own value in every weight."""
    generator = networks.generator(PLAIN)
    rng = np.random.default_rng(1)
    generator.set_weights([rng.normal(0, 0.1, weight.shape) for weight in generator.get_weights()])
    path = tmp_path / "plain.weights.h5"
    weights.save(path, generator, PLAIN, {"stage": "srresnet", "step": 1})
    return path, generator


def test_a_network_with_a_refinement_begins_as_the_one_whose_weights_it_takes(plain):
    path, generator = plain
    refined = networks.generator(REFINED)
    assert weights.load_into(refined, path, REFINED)["stage"] == "srresnet"
    np.testing.assert_array_equal(refined(LR), generator(LR))


def test_the_refinement_lets_neighbouring_pixels_be_drawn_together(plain):
    """Each pixel of its correction depends on the picture around it, across the cells of the shuffle."""
    refined = networks.generator(REFINED)
    weights.load_into(refined, plain[0], REFINED)
    last = refined.get_layer("tail_conv3")
    last.set_weights([np.full(last.kernel.shape, 0.1), np.zeros(3)])
    assert np.abs(refined(LR) - plain[1](LR)).max() > 1e-3


def test_no_other_layer_may_be_missing_and_none_is_dropped(plain, tmp_path):
    other = REFINED.replace(blocks=2)
    with pytest.raises(SRGANError, match=r"of another network: blocks \(there 1, here 2\)"):
        weights.load_into(networks.generator(other), plain[0], other)
    path = tmp_path / "refined.weights.h5"
    weights.save(path, networks.generator(REFINED), REFINED, {"stage": "srresnet", "step": 1})
    with pytest.raises(SRGANError, match=r"tail_filters \(there 4, here 0\)"):
        weights.load_into(networks.generator(PLAIN), path, PLAIN)
    wider = PLAIN.replace(tail_filters=5)
    with pytest.raises(SRGANError, match=r"tail_filters \(there 4, here 5\)"):
        weights.load_into(networks.generator(wider), path, wider)


def test_a_card_from_before_refinements_is_of_a_network_without(plain):
    path, generator = plain
    card = weights.card_path(path)
    card.write_text(card.read_text().replace(',\n  "tail_filters": 0', ""))
    assert "tail_filters" not in weights.card(path)["network"]
    weights.load_into(networks.generator(PLAIN), path, PLAIN)
    np.testing.assert_array_equal(weights.load(path)(LR), generator(LR))
