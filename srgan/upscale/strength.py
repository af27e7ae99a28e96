"""A dial between two trained networks: their weights are mixed, not their pictures (Wang et al. 2018, ESRGAN §3.4).

It works for a GAN and the SRResNet that it was trained from: they lie close together, so everything between them is a network too.
"""

from __future__ import annotations

from pathlib import Path

import keras

from srgan.errors import SRGANError
from srgan.runs import weights


def mixed(start: Path, end: Path, strength: float) -> keras.Model:
    """The generator whose weights are (1 - strength) of those at `start` and strength of those at `end`, 0 to 1.

    Raises SRGANError if `strength` is out of range, or if the training of `end` did not begin from `start`.
    """
    if not 0 <= strength <= 1:
        raise SRGANError(f"strength must lie between 0 and 1, not {strength:g}.")
    if not _began_from(start, end):
        raise SRGANError(
            f"Between {start.name} and {end.name} there is no dial: {end.name} was not trained from {start.name}. "
            "Take weights that were (srgan and srresnet of this project), or leave out --strength."
        )
    generator, other = weights.load(start), weights.load(end)
    pairs = zip(generator.get_weights(), other.get_weights(), strict=True)
    generator.set_weights([(1 - strength) * a + strength * b for a, b in pairs])
    return generator


def _began_from(start: Path, end: Path) -> bool:
    """Whether the card of `end` names the training of `start` as one that its own began from, with the same network."""
    first, last = weights.card(start), weights.card(end)
    told = ("stage", "step", "seconds", "commit")
    trainings = [tuple(training[key] for key in told) for training in last["before"]]
    return first["network"] == last["network"] and tuple(first[key] for key in told) in trainings
