from __future__ import annotations

import numpy as np
import pytest

from srgan.config import settings
from srgan.errors import SRGANError
from srgan.models import networks
from srgan.runs import weights
from tools.mean import mean


def saved(path, value: float, **network):
    config = settings(**dict(blocks=1, filters=4) | network)
    generator = networks.generator(config)
    for variable in generator.variables:
        variable.assign(np.full(variable.shape, value, np.float32))
    weights.save(path, generator, config, {"stage": "srgan", "step": round(10 * value)})
    return path


def test_each_number_is_the_mean_and_the_card_says_so(tmp_path):
    sources = [saved(tmp_path / f"{i}.weights.h5", value) for i, value in enumerate((0.1, 0.2, 0.6))]
    target = mean(sources, tmp_path / "mean.weights.h5")
    assert all(np.allclose(variable, 0.3) for variable in weights.load(target).variables)
    card = weights.card(target)
    assert card["mean_of"] == ["srgan 1", "srgan 2", "srgan 6"] and card["step"] == 6


def test_shares_say_how_much_of_each(tmp_path):
    sources = [saved(tmp_path / f"{i}.weights.h5", value) for i, value in enumerate((0.1, 0.6))]
    target = mean(sources, tmp_path / "mean.weights.h5", [0.2, 0.8])
    assert all(np.allclose(variable, 0.5) for variable in weights.load(target).variables)
    assert weights.card(target)["mean_of"] == ["0.2 of srgan 1", "0.8 of srgan 6"]
    for shares in ([1.0], [0.5, 0.6], [1.5, -0.5]):
        with pytest.raises(SRGANError, match="The shares of 2 files are 2 positive numbers, 1 together"):
            mean(sources, tmp_path / "other.weights.h5", shares)


def test_what_has_no_mean_is_told_and_nothing_is_overwritten(tmp_path):
    one, other = saved(tmp_path / "one.weights.h5", 0.1), saved(tmp_path / "other.weights.h5", 0.1, filters=8)
    with pytest.raises(SRGANError, match="two weights at least"):
        mean([one], tmp_path / "mean.weights.h5")
    with pytest.raises(SRGANError, match=r"other.weights.h5 is of another network than .*one"):
        mean([one, other], tmp_path / "mean.weights.h5")
    with pytest.raises(SRGANError, match=r"exists\. Name another file with -o"):
        mean([one, one], other)
    with pytest.raises(SRGANError, match=r"ends in \.weights\.h5"):
        mean([one, one], tmp_path / "mean.h5")
