"""A dial between two trained networks: their weights are mixed, not their pictures (Wang et al. 2018, ESRGAN §3.4).

It works for two networks of one ancestor, such as a GAN and the SRResNet that it was trained from: they lie close together, so
everything between them is a network too.
"""

from __future__ import annotations

from pathlib import Path

import keras

from srgan.errors import SRGANError
from srgan.runs import weights


class Dial:
    """A generator whose weights are (1 - strength) of those at `start` and strength of those at `end`.

    Raises SRGANError if no training led to both.
    """

    def __init__(self, start: Path, end: Path):
        if not _are_related(weights.card(start), weights.card(end)):
            raise SRGANError(
                f"Between {start.name} and {end.name} there is no dial: neither was trained from the other, nor both from a third. "
                "Take weights that were (srgan and srresnet of this project), or leave out --strength."
            )
        self.generator = weights.load(end)
        self._ends = [weights.load(start).get_weights(), self.generator.get_weights()]

    def turn(self, strength: float) -> None:
        """Mix them anew. Raises SRGANError if `strength` does not lie between 0 and 1."""
        if not 0 <= strength <= 1:
            raise SRGANError(f"strength must lie between 0 and 1, not {strength:g}.")
        self.generator.set_weights([(1 - strength) * a + strength * b for a, b in zip(*self._ends, strict=True)])


def mixed(start: Path, end: Path, strength: float) -> keras.Model:
    """The generator of `Dial` at `strength`. Raises SRGANError as it does."""
    dial = Dial(start, end)
    dial.turn(strength)
    return dial.generator


def reaches(path: Path) -> bool:
    """Whether the weights at `path` can be mixed with those of the project's SRResNet. Raises SRGANError as `weights.card` does."""
    return _are_related(weights.card(weights.find("srresnet")), weights.card(path))


def _are_related(first: dict, last: dict) -> bool:
    """Whether the cards tell of the same network, and of a training that both went through."""
    return first["network"] == last["network"] and not _trainings(first).isdisjoint(_trainings(last))


def _trainings(card: dict) -> set[tuple]:
    """What tells each training apart, of those that led to the weights of `card`."""
    told = ("stage", "step", "seconds", "commit")
    known = [training for training in (card, *card.get("before", [])) if training.keys() >= set(told)]
    return {tuple(training[key] for key in told) for training in known}
