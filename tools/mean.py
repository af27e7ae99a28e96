"""The mean of several weights of one network: what they share stays, the pattern that each drew for itself fades.

Izmailov et al. 2018 (SWA), Wortsman et al. 2022 (model soups). Weights that came from one another, or from the same ones, lie near
enough to each other for their mean to be a network too.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from srgan.config import settings
from srgan.errors import SRGANError
from srgan.runs import weights


def mean(sources: list[Path], target: Path, shares: list[float] | None = None) -> Path:
    """Write the mean of the weights at `sources` to `target`, a NAME.weights.h5; returns it.

    `shares`: how much of each, positive and 1 together; None for equal ones. The card is that of the last of them, and says of what
    steps it is the mean. Raises SRGANError for less than two, other shares, weights that are missing, damaged or of different
    networks, and if `target` exists or is not named like weights.
    """
    if len(sources) < 2:
        raise SRGANError("A mean is of two weights at least: name another file.")
    if shares and (len(shares) != len(sources) or not all(share > 0 for share in shares) or not math.isclose(sum(shares), 1)):
        raise SRGANError(f"The shares of {len(sources)} files are {len(sources)} positive numbers, 1 together; not {shares}.")
    if weights.find(str(target)).exists():
        raise SRGANError(f"{target} exists. Name another file with -o.")
    cards = [weights.card(source) for source in sources]
    for source, card in zip(sources, cards, strict=True):
        if card["network"] != cards[0]["network"]:
            raise SRGANError(f"{source} is of another network than {sources[0]}: there is no mean of the two.")
    networks = [weights.load(source) for source in sources]
    for first, *others in zip(*(network.variables for network in networks), strict=True):
        first.assign(np.average([variable.numpy() for variable in (first, *others)], axis=0, weights=shares))
    steps = [f"{card.get('stage', '')} {card.get('step', '')}" for card in cards]
    if shares:
        steps = [f"{share:g} of {step}" for share, step in zip(shares, steps, strict=True)]
    about = {key: value for key, value in cards[-1].items() if key not in ("network", "sha256", "scores")}
    weights.save(target, networks[0], settings(**cards[0]["network"]), about | {"mean_of": steps})
    return target
