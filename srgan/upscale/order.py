"""What a person wants made of files: by which weights, how large, and as what. The shell and notebook 06 order alike."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from srgan.data import media
from srgan.errors import SRGANError
from srgan.runs import weights
from srgan.upscale import files, strength, targets
from srgan.upscale.ensemble import SelfEnsemble
from srgan.upscale.network import Network
from srgan.upscale.size import FOUR_TIMES, Size

# The weights for each kind of file, the best first; where they are not there: the best of all. `photo` for lossless pictures, too:
# of twenty such pairs, by it and by `srgan`, it was liked better twenty times (docs/upscaling.md).
SUITED = {"film": ("photo-fast", "photo"), "picture": ("photo",)}


def model_for(source: Path, there: Iterable[str]) -> str:
    """Of the weights `there`, best first, the name of those that suit the file at `source`, if nobody names others."""
    return next(name for name in (*SUITED.get(media.kind(source), ()), *there) if name in there)


@dataclass(frozen=True)
class Order:
    """`models`: names of weights or files; "": what suits the file. Two of them are compared in panels, and so is one with others.

    Raises SRGANError for panels of another size than the network's own.
    """

    models: tuple[str, ...] = ("",)
    size: Size = FOUR_TIMES
    strength: float = 1.0
    ensemble: bool = False
    panels: tuple[str, ...] = ()
    preview: bool = False

    def __post_init__(self):
        if self.panels and self.size != FOUR_TIMES:
            raise SRGANError("Panels show what the networks make, four times as large: leave out the size, or the panels.")

    def names(self, source: Path) -> list[str]:
        """The weights that `source` is upscaled by."""
        return [model or model_for(source, self._there) for model in self.models]

    @functools.cached_property
    def _there(self) -> list[str]:
        """The names of the weights to choose from: where a strength is wanted, those that it can be given to."""
        return [name for name, path in weights.shipped().items() if self.strength == 1 or strength.reaches(path)]

    def upscaler(self, source: Path) -> Network | SelfEnsemble:
        """The first of them at work. Raises SRGANError as `files.open_model` does."""
        return self._open(self.names(source)[0])

    @functools.cached_property
    def _open(self) -> Callable[[str], Network | SelfEnsemble]:
        return functools.cache(lambda name: files.open_model(name, self.strength, self.ensemble))

    @functools.cached_property
    def _told(self) -> set[str]:
        return set()

    @functools.cached_property
    def _checksum(self) -> Callable[[str], str]:
        return functools.cache(lambda name: weights.card(weights.find(name))["sha256"][:16])

    def how(self, source: Path) -> str:
        """Everything that the result depends on besides `source`: the same again is done already."""
        size = self.size.suffix.removeprefix("_")
        return " ".join([
            *map(self._checksum, self.names(source)), *self.panels, *["preview"] * self.preview,
            *[f"strength {self.strength}"] * (self.strength != 1), *["ensemble"] * self.ensemble,
            *[size] * (self.size != FOUR_TIMES),
        ])  # fmt: skip

    def ending(self, source: Path) -> str:
        """What stands behind the stem of the result's name."""
        return targets.PANELS if self.panels else files.ending(source, self.preview, self.size)

    def fill(self, source: Path, target: Path, force: bool, say: Callable[[str], None]) -> str:
        """Make `target` of `source`; returns in words what it became. Raises SRGANError for what cannot be read or written.

        What the weights compute in is said once.
        """
        names = self.names(source)
        for name in names:
            if name not in self._told:
                self._told.add(name)
                say(f"{name} computes {self._open(name).arithmetic}.")
        if self.panels:
            upscalers = dict(zip(files.labels(names), map(self._open, names), strict=True))
            files.write_panels(source, target, self.panels, upscalers, force)
            return ", ".join(self.panels)
        return files.upscale_any(source, target, self.upscaler(source), force, self.preview, self.how(source), say, self.size)

    def tell_choice(self, sources: Iterable[Path], say: Callable[[str], None]) -> None:
        """Say in one sentence which weights suit `sources`, where nobody chose."""
        counts = Counter(model_for(source, self._there) for source in sources if "" in self.models)
        told = " and ".join(f"{name} for {count} file{'s' if count > 1 else ''}" for name, count in counts.items())
        if counts:
            say(f"By the weights {told}, as suits the kind of file; another model can be named.")
