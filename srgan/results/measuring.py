"""Any methods on any sets, both by their names, in one table: the command `measure`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from importlib import metadata
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
from srgan.runs.outside import TEXT, read_json, whole
from srgan.runs.paths import write_json
from srgan.upscale import network
from srgan.upscale.files import open_model

SAMPLES = "samples"
CLASSIC = {"nearest": network.nearest, "bicubic": network.bicubic}
KEPT = {  # of the file that keeps what was measured: rows by `Method.of`
    "measures": {...: TEXT},
    "sets": {...: {"inputs": TEXT, "rows": {...: {"method": TEXT, "images": whole()}}}},
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
        return open_model(str(self.path), self.strength, self.ensemble)


def method(name: str) -> Method:
    """The method that `name` means: bicubic, nearest, peer:NAME, or weights by name or file, then @STRENGTH, then +ensemble.

    A file is shown by its run's name. Raises SRGANError for a name of nothing.
    """
    if name in CLASSIC or name.startswith("peer:"):
        return Method(name, name)
    stem, strength, ensemble = re.fullmatch(r"(.*?)(?:@(\d*\.?\d+))?(\+ensemble)?", name, re.DOTALL).groups()
    strength = float(strength or 1)
    path = weights.find(stem)
    shown = stem if stem in weights.SHIPPED else f"{path.parent.name}/{path.name.removesuffix('.weights.h5')}"
    ending = f"@{strength:g}" * (strength != 1) + (ensemble or "")
    of = weights.card(path)["sha256"] + ending
    if strength != 1:
        of += f" from {weights.card(weights.find('srresnet'))['sha256']}"
    return Method(shown + ending, of, path, strength, bool(ensemble))


def open_set(name: str, folders: dict[str, Path]) -> Iterator[TestImage]:
    """The images of a benchmark by its name, "samples", or the held-out photos of a prepared data set by its folder.

    All also under a degradation: "Set14:jpeg50" (results/degraded.py).
    """
    name, suffered = degraded.split(name)
    if suffered:
        return degraded.degraded(open_set(name, folders), suffered)
    if name in folders:
        return evaluation.benchmark(folders[name])
    if name == SAMPLES:
        return evaluation.samples()
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
    if name == SAMPLES:
        return " ".join(f"{package} {metadata.version(package)}" for package in ("scikit-image", "matplotlib"))
    return dataset.read_manifest(Path(name))["sha256"]["test"]


def measure(names: list[str], sets: list[str], folders: dict[str, Path], kept: Path | None = None) -> dict:
    """Everything: {"measures", "inputs" (what the sets are), "sets": {SET: {METHOD: {MEASURE: number, "images", "seconds"}}}}.

    What the file `kept` has of the same weights, images and measures is not measured again; what is new is added to it after each
    set. "seconds": of CPU time for an image. Raises SRGANError for what is not there.
    """
    methods = [method(name) for name in names]
    sets = degraded.expanded(sets)
    for name, _ in map(degraded.split, sets):
        _refuse_unknown(name, folders)
    judge = Judge(evaluation.SHOWN)
    store = _read(kept, {key: MEASURES[key].about for key in judge.keys})
    opened: dict[str, network.Upscaler] = {}
    results = {}
    for name in sets:
        known = _rows(store, Path(name).name, _inputs(name, folders))
        new = {each.of: each for each in methods if each.of not in known}
        if new:
            opened |= {of: each.open() for of, each in new.items() if of not in opened}
            timed = {of: _Timed(opened[of]) for of in new}
            images = tqdm(list(open_set(name, folders)), desc=Path(name).name, unit="image", disable=None)
            means = evaluation.measure(images, timed, judge)[1]
            known |= {of: {"method": new[of].shown, "seconds": timed[of].mean()} | means[of] for of in new}
            known[HR] = {"method": HR} | means[HR]
            if kept:
                write_json(kept, store)
        results[Path(name).name] = {each.shown: known[each.of] for each in methods} | {HR: known[HR]}
    inputs = {name: store["sets"][name]["inputs"] for name in results}
    return {"measures": store["measures"], "inputs": inputs, "sets": results}


def _refuse_unknown(name: str, folders: dict[str, Path]) -> None:
    stem, colon, ending = name.rpartition(":")
    here, damaged = (each in (*folders, SAMPLES) or Path(each).is_dir() for each in (name, stem))
    if here:
        return
    if colon and damaged:
        degraded.refuse_unknown(ending, *degraded.GROUPS)
    raise SRGANError(f"There is no benchmark {name} here, nor a folder of that name: python -m srgan fetch {name}")


def _read(kept: Path | None, measures: dict[str, str]) -> dict:
    """What the file has; nothing yet if it is not there. Raises SRGANError if it is of other measures, or damaged."""
    if not (kept and kept.is_file()):
        return {"measures": measures, "sets": {}}
    found = read_json(kept, KEPT)
    if found["measures"] != measures:
        other = ", ".join(key for key in MEASURES if found["measures"].get(key) != measures.get(key))
        raise SRGANError(f"{kept} was measured with other measures ({other}). Name their files (docs/lpips.md), or another --json.")
    return found


def _rows(store: dict, name: str, inputs: str) -> dict[str, dict]:
    """The rows of a set in the store, none if its images were others."""
    if store["sets"].get(name, {}).get("inputs") != inputs:
        store["sets"][name] = {"inputs": inputs, "rows": {}}
    return store["sets"][name]["rows"]


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


def table(results: dict, measures: tuple[str, ...] = evaluation.SHOWN) -> Table:
    """A row a set and method."""
    names = {f"peer:{name}": shown for name, shown in peers.NAMES.items()}
    return evaluation.table(results, measures, names, others={})
