"""Any methods on any sets, both by their names, in one table: the command `measure`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from srgan.data import dataset
from srgan.errors import SRGANError
from srgan.results import degraded, evaluation, peers
from srgan.results.evaluation import TestImage
from srgan.results.scores import HR, MEASURES, Judge
from srgan.results.tables import Table
from srgan.runs import weights
from srgan.runs.outside import NUMBER, TEXT, read_json, whole
from srgan.upscale import network
from srgan.upscale.ensemble import SelfEnsemble

CLASSIC = {"nearest": network.nearest, "bicubic": network.bicubic}
KEYS = ("psnr_y", "st_lpips", "lpips", "frechet", "niqe", "grid", "detail")  # that are measured
ENSEMBLE = "+ensemble"
RESULTS = {  # of the file that --json writes
    "measures": {...: TEXT},
    "sets": {...: {...: {"images": whole(), ...: evaluation.SCORE}}},
    "of": {...: TEXT},
    "inputs": {...: TEXT},
    "seconds": {...: NUMBER},
}


class Method(NamedTuple):
    """A method by its name: what is shown, what its numbers are of (they stand as long as this is the same), and its parts."""

    shown: str
    of: str
    path: Path | None = None  # of weights
    strength: float = 1.0
    ensemble: bool = False

    def open(self) -> network.Upscaler:
        """Raises SRGANError if it is not here, or damaged."""
        if self.shown in CLASSIC:
            return CLASSIC[self.shown]
        if self.path is None:
            return peers.load(self.shown.removeprefix("peer:"))
        upscaler = network.load(self.path, self.strength)
        return SelfEnsemble(upscaler) if self.ensemble else upscaler


def method(name: str) -> Method:
    """The method that `name` means: bicubic, nearest, peer:NAME, or weights by name or file, then @STRENGTH, then +ensemble.

    A file is shown by its run's name. Raises SRGANError for a name of nothing.
    """
    if name in CLASSIC or name.startswith("peer:"):
        return Method(name, name)
    plain = name.removesuffix(ENSEMBLE)
    stem, at, strength = plain.rpartition("@") if "@" in plain else (plain, "", "1")
    try:
        strength = float(strength)
    except ValueError:
        raise SRGANError(f"{name}: behind @ stands a strength from 0 to 1, such as srgan@0.5, not {strength}.") from None
    path = weights.find(stem)
    shown = stem if stem in weights.SHIPPED else f"{path.parent.name}/{path.name.removesuffix('.weights.h5')}"
    ending = f"{at}{strength:g}" * bool(at) + ENSEMBLE * name.endswith(ENSEMBLE)
    start = f" from {weights.card(weights.find('srresnet'))['sha256']}" if strength < 1 else ""
    return Method(shown + ending, f"{weights.card(path)['sha256']}{ending}{start}", path, strength, name.endswith(ENSEMBLE))


def open_set(name: str, folders: dict[str, Path]) -> Iterator[TestImage]:
    """The images of a benchmark by its name, or the held-out photos of a prepared data set by its folder.

    Both also under a degradation: "Set14:jpeg50" (results/degraded.py).
    """
    name, suffered = degraded.split(name)
    if suffered:
        return degraded.degraded(open_set(name, folders), suffered)
    if name in folders:
        return evaluation.benchmark(folders[name])
    manifest = dataset.read_manifest(Path(name))  # raises SRGANError if it is none
    pack = dataset.Pack(Path(name) / "test.u8", manifest["test"], manifest["sha256"]["test"])
    return ((photo, *pack.pair(i)) for i, photo in enumerate(pack.names()))


def _inputs(name: str, folders: dict[str, Path]) -> str:
    """What the set is, in short."""
    name, suffered = degraded.split(name)
    if suffered:
        return f"{_inputs(name, folders)} {degraded.DEGRADATIONS[suffered]}"
    if name in folders:
        return evaluation.files_key(folders[name])
    return dataset.read_manifest(Path(name))["sha256"]["test"]


def measure(names: list[str], sets: list[str], folders: dict[str, Path], earlier: Path | None = None) -> dict:
    """Everything: {"measures", "sets": {SET: {METHOD: {MEASURE: number, "images": count}}}, "of", "inputs", "seconds"}.

    What the file `earlier` has of the same weights, images and measures is not measured again. "seconds": of CPU time, for an
    image of the first set in the mean. Raises SRGANError for what is not there.
    """
    methods = {found.shown: found for found in map(method, names)}
    sets = degraded.expanded(sets)
    for name, _ in map(degraded.split, sets):
        _refuse_unknown(name, folders)
    judge = Judge(KEYS)
    results = {
        "measures": {key: MEASURES[key].about for key in judge.keys},
        "of": {shown: each.of for shown, each in methods.items()},
        "inputs": {Path(name).name: _inputs(name, folders) for name in sets},
    }
    known = _known(earlier, results)
    opened = {name: _Timed(each.open()) for name, each in methods.items() if any(name not in known[s] for s in results["inputs"])}
    seconds = known.pop("seconds")
    for name in sets:
        shown = Path(name).name
        new = {each: upscaler for each, upscaler in opened.items() if each not in known[shown]}
        if new or HR not in known[shown]:
            images = tqdm(list(open_set(name, folders)), desc=shown, unit="image", disable=None)
            known[shown] |= evaluation.measure(images, new, judge)[1]
        seconds |= {each: upscaler.mean() for each, upscaler in new.items() if each not in seconds}
    rows = {name: {each: found[each] for each in (*methods, HR)} for name, found in known.items()}
    return results | {"sets": rows, "seconds": {each: seconds[each] for each in methods}}


def _refuse_unknown(name: str, folders: dict[str, Path]) -> None:
    if name in folders or Path(name).is_dir():
        return
    stem, colon, ending = name.rpartition(":")
    if colon and (stem in folders or Path(stem).is_dir()):
        raise SRGANError(f'There is no degradation "{ending}". There are: all, {", ".join(degraded.DEGRADATIONS)}.')
    raise SRGANError(f"There is no benchmark {name} here, nor a folder of that name: python -m srgan fetch {name}")


def _known(earlier: Path | None, results: dict) -> dict[str, dict]:
    """{set: {method: what `earlier` says}} of methods, sets and measures that are the same; and their seconds."""
    nothing = {name: {} for name in results["inputs"]} | {"seconds": {}}
    if earlier is None or not earlier.is_file():
        return nothing
    found = read_json(earlier, RESULTS)
    if found["measures"] != results["measures"]:
        return nothing
    same = {each for each, of in results["of"].items() if found["of"].get(each) == of} | {HR}
    known = {name: {} for name in results["inputs"]}
    for name, key in results["inputs"].items():
        if found["inputs"].get(name) == key:
            known[name] = {each: values for each, values in found["sets"][name].items() if each in same}
    return known | {"seconds": {each: taken for each, taken in found["seconds"].items() if each in same}}


class _Timed:
    """An upscaler that keeps the CPU time of its calls, but for the first, in which it sets itself up."""

    def __init__(self, upscaler: network.Upscaler):
        self._upscaler, self._seconds = upscaler, []

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        begun = time.process_time()
        sr = self._upscaler(lr)
        self._seconds.append(time.process_time() - begun)
        return sr

    def mean(self) -> float:
        return round(float(np.mean(self._seconds[1:] or self._seconds)), 4)


def table(results: dict) -> Table:
    """A row a set and method."""
    names = {f"peer:{name}": shown for name, shown in peers.NAMES.items()}
    return evaluation.table(results, names=names, others={})
