"""The prepared photos: LR/HR pairs packed on disk -> the batch of step s.

A prepared data set is one folder under data/, written by preparation.py: `train.u8` and `test.u8` hold raw uint8 RGB pixels,
for each photo HR and behind it LR; `manifest.json` says where each begins and which files were skipped, and why.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import mmap
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from srgan.config import SCALE, Config
from srgan.data import degradation, images
from srgan.errors import SRGANError
from srgan.runs.outside import ANYTHING, SHA256, TEXT, Damaged, read_json, whole

SPLITS = ("train", "test")
LARGEST_AHEAD = 2**22  # bytes of a photo that are asked for at once
IN_MEMORY = 2**30  # bytes; a larger pack stays on disk and is mapped
DAMAGED = "{} is damaged or missing. Where the photos are at hand it is prepared anew; else bring back the folder {}."
# (HR of a photo, top, left and side of a square in it, HR pixels) -> LR of the square.
Worsen = Callable[[np.ndarray, int, int, int], np.ndarray]

_PHOTO = {
    "name": TEXT,
    "height": whole(SCALE, 2**16),
    "width": whole(SCALE, 2**16),
    "offset": whole(),
    "crc32?": whole(0, 2**32 - 1),
}
MANIFEST = {
    "settings": {...: ANYTHING},
    "skipped": [{"name": TEXT, "reason": TEXT}],
    "sha256": dict.fromkeys(SPLITS, SHA256),
    "source?": TEXT,
    **{split: [_PHOTO] for split in SPLITS},
}


class Cut(NamedTuple):
    """Which patch to take from a photo, as drawn: of the patches at `places` the most detailed, flipped and turned."""

    places: list[tuple[int, int]]  # top and left, LR pixels
    flip: int  # 0 or 1
    turns: int  # by 90 degrees


class Pack:
    """The LR/HR pairs of one split, in memory or mapped from disk."""

    def __init__(self, path: Path, index: list[dict], sha256: str):
        """Open the pack at `path`. Raises SRGANError if it is not what the manifest says.

        The checksum is taken of packs that fit in memory; in larger ones that of each photo when it is first read.
        """
        size = 0
        for entry in index:
            if entry["offset"] != size:
                raise SRGANError(DAMAGED.format(path, path.parent))
            size += pair_bytes(entry["height"], entry["width"])
        if not path.is_file() or path.stat().st_size != size:
            raise SRGANError(DAMAGED.format(path, path.parent))
        self.index, self._path = index, path
        self._unchecked = set(range(len(index))) if size > IN_MEMORY else set()
        if size > IN_MEMORY:
            self._pixels = np.memmap(path, np.uint8, "r")
            return
        self._pixels = np.fromfile(path, np.uint8)
        if hashlib.sha256(self._pixels).hexdigest() != sha256:
            raise SRGANError(DAMAGED.format(path, path.parent))

    def __len__(self) -> int:
        return len(self.index)

    def read_ahead(self, i: int, first_row: int = 0, last_row: int = 2**16) -> None:
        """Where the pack is mapped, ask the system at once for these rows of LR and HR of photo `i`; for all before it is checked.

        A patch alone waits for one row after another. Rows are LR's; HR's are the SCALE times as many in the same place.
        """
        if not isinstance(self._pixels, np.memmap) or not hasattr(mmap, "MADV_WILLNEED"):  # Windows has no such call
            return
        height, width, start = self.index[i]["height"], self.index[i]["width"], self.index[i]["offset"]
        row, last_row = 3 * width // SCALE, min(last_row, height // SCALE)
        spans = [(start, pair_bytes(height, width))]
        if i not in self._unchecked:
            ahead, rows = start + height * width * 3, last_row - first_row
            spans = [(start + SCALE**2 * first_row * row, SCALE**2 * rows * row), (ahead + first_row * row, rows * row)]
        for begin, size in spans:
            if size <= LARGEST_AHEAD:
                page = begin // mmap.PAGESIZE * mmap.PAGESIZE
                self._pixels._mmap.madvise(mmap.MADV_WILLNEED, page, begin + size - page)

    def names(self) -> list[str]:
        return [entry["name"] for entry in self.index]

    def pair(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """LR (height / 4, width / 4, 3) and HR (height, width, 3) of photo `i`, uint8, without a copy.

        Raises SRGANError if it is damaged.
        """
        height, width, start = self.index[i]["height"], self.index[i]["width"], self.index[i]["offset"]
        middle, end = start + height * width * 3, start + pair_bytes(height, width)
        if i in self._unchecked:
            self._check(i, self._pixels[start:end])
        hr = self._pixels[start:middle].reshape(height, width, 3)
        lr = self._pixels[middle:end].reshape(height // SCALE, width // SCALE, 3)
        return lr, hr

    def _check(self, i: int, pixels: np.ndarray) -> None:
        """Hold photo `i` against its checksum; those of earlier versions have none."""
        if self.index[i].get("crc32") not in (None, zlib.crc32(pixels)):
            raise SRGANError(
                f"{self._path} is damaged at {self.index[i]['name']}. "
                f"Remove the folder {self._path.parent} and run the same again: it is prepared anew."
            )
        self._unchecked.discard(i)


class Dataset:
    """A prepared data set: `train` and `test` packs, and the batch of any step."""

    def __init__(self, folder: Path, config: Config):
        """Open what was prepared in `folder`. Raises SRGANError if it is damaged."""
        self.folder = folder
        self.manifest = read_manifest(folder)
        self.train, self.test = (
            Pack(folder / f"{split}.u8", self.manifest[split], self.manifest["sha256"][split]) for split in SPLITS
        )
        self._config = config
        self._chain = degradation.chain(config.data)
        self._orders: dict[int, np.ndarray] = {}

    @property
    def key(self) -> str:
        """The folder's name: it identifies settings and photos."""
        return self.folder.name

    def skipped(self) -> Iterator[str]:
        """One sentence for each file that the preparation left out."""
        return (f"{entry['name']}: {entry['reason']}" for entry in self.manifest["skipped"])

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """LR (batch, hr_size / 4, hr_size / 4, 3) and HR (batch, hr_size, hr_size, 3), uint8.

        A pure function of (seed, step). Each epoch goes through all photos in an order of its own. Where the run has a
        degradation, LR is made here, from HR.
        """
        lr, hr = self.batches(step, 1)
        return lr[0], hr[0]

    def batches(self, step: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The batches of `count` steps from `step` on, stacked: LR (count, batch, ...) and HR (count, batch, ...)."""
        size, batch = self._config.data.hr_size, self._config.data.batch_size
        lr = np.empty((count, batch, size // SCALE, size // SCALE, 3), np.uint8)
        hr = np.empty((count, batch, size, size, 3), np.uint8)
        cuts = [self._cuts(step + i) for i in range(count)]
        self._read_ahead(itertools.chain.from_iterable(cuts))
        for i in range(count):
            for slot, (photo, cut) in enumerate(cuts[i]):
                lr[i, slot], hr[i, slot] = self._pair(photo, cut, self._worsening(step + i, slot))
        return lr, hr

    def _pair(self, photo: int, cut: Cut | None, worsen: Worsen | None) -> tuple[np.ndarray, np.ndarray]:
        """LR and HR of the patch `cut` of a photo, or of all of it."""
        size, (lr, hr) = self._config.data.hr_size, self.train.pair(photo)
        if cut:
            return patch(lr, hr, size, cut, worsen)
        return (worsen(hr, 0, 0, size) if worsen else lr), hr

    def _worsening(self, step: int, slot: int) -> Worsen | None:
        """What makes LR of one patch of the batch of `step`, by numbers of its own; None where LR is what is prepared."""
        if self._chain is None:
            return None
        rng = np.random.default_rng((self._config.run.seed, step, slot, 1))
        return lambda hr, top, left, side: degradation.lr_of_patch(hr, top, left, side, self._chain, rng)

    def held_out_crop(self, i: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """LR and HR of the middle of held-out photo `i`, `size` large or as large as it is, always degraded the same way."""
        _, hr = self.test.pair(i)
        hr = images.centre_crop(hr, min(size, *hr.shape[:2]))
        lr = images.degrade(hr) if self._chain is None else degradation.lr_of(hr, self._chain, np.random.default_rng(i))
        return lr, hr

    def _cuts(self, step: int) -> list[tuple[int, Cut | None]]:
        """The photos of the batch of `step`, and which patch of each; None where all of it is taken."""
        data, rng = self._config.data, np.random.default_rng((self._config.run.seed, step))
        photos = [self._photo(step * data.batch_size + slot) for slot in range(data.batch_size)]
        if data.sampling != "patches":
            return [(photo, None) for photo in photos]
        sides = [(self.train.index[photo]["height"] // SCALE, self.train.index[photo]["width"] // SCALE) for photo in photos]
        return [
            (photo, any_cut(*side, data.hr_size // SCALE, rng, data.patch_tries)) for photo, side in zip(photos, sides, strict=True)
        ]

    def _read_ahead(self, cuts: Iterable[tuple[int, Cut | None]]) -> None:
        for photo, cut in cuts:
            tops = [top for top, _ in cut.places] if cut else [0]
            self.train.read_ahead(photo, min(tops), max(tops) + self._config.data.hr_size // SCALE)

    def _photo(self, position: int) -> int:
        """The photo at `position` in the endless sequence of epochs, shuffled or not."""
        epoch, place = divmod(position, len(self.train))
        if not self._config.data.shuffle:
            return place
        if epoch not in self._orders:
            order = np.random.default_rng((self._config.run.seed, epoch, 1)).permutation(len(self.train))
            self._orders = {kept: value for kept, value in self._orders.items() if kept == epoch - 1} | {epoch: order}
        return int(self._orders[epoch][place])


def random_patch(lr: np.ndarray, hr: np.ndarray, hr_size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An aligned pair of patches, HR of side `hr_size`, from a random place, flipped and turned by chance."""
    return patch(lr, hr, hr_size, any_cut(*lr.shape[:2], hr_size // SCALE, rng))


def any_cut(height: int, width: int, side: int, rng: np.random.Generator, tries: int = 1) -> Cut:
    """A random patch of LR of (height, width), `side` large, or `tries` of them to choose from."""
    places = [(int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))) for _ in range(tries)]
    return Cut(places, int(rng.integers(2)), int(rng.integers(4)))


def patch(lr: np.ndarray, hr: np.ndarray, hr_size: int, cut: Cut, worsen: Worsen | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The pair of patches that `cut` names, HR of side `hr_size`. LR is cut from `lr`, or made by `worsen`."""
    side = hr_size // SCALE
    places = cut.places
    if len(places) > 1:
        places = sorted(places, key=lambda place: _variation(lr[place[0] : place[0] + side, place[1] : place[1] + side]))
    top, left = places[-1]
    lr = worsen(hr, top * SCALE, left * SCALE, hr_size) if worsen else lr[top : top + side, left : left + side]
    hr = hr[top * SCALE : top * SCALE + hr_size, left * SCALE : left * SCALE + hr_size]
    if cut.flip:
        lr, hr = lr[:, ::-1], hr[:, ::-1]
    return np.rot90(lr, cut.turns), np.rot90(hr, cut.turns)


def _variation(image: np.ndarray) -> float:
    """Mean absolute difference of neighbouring pixels of (H, W, 3), down plus across."""
    image = image.astype(np.int16)
    return float(np.abs(np.diff(image, axis=0)).mean() + np.abs(np.diff(image, axis=1)).mean())


def read_manifest(folder: Path) -> dict:
    """What `folder` holds. Raises SRGANError if its manifest is not whole."""
    try:
        manifest = read_json(folder / "manifest.json", MANIFEST)
    except (Damaged, OSError) as error:
        raise SRGANError(DAMAGED.format(folder / "manifest.json", folder)) from error
    if manifest.get("checksum") not in (None, checksum(manifest)):  # those of earlier versions have none
        raise SRGANError(DAMAGED.format(folder / "manifest.json", folder))
    return manifest


def checksum(manifest: dict) -> str:
    """The sha256 of all that a manifest says, but for its own "checksum"."""
    rest = {name: value for name, value in manifest.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def pair_bytes(height: int, width: int) -> int:
    """Of HR with these sides and its LR, in the file of a pack."""
    return height * width * 3 + height // SCALE * (width // SCALE) * 3
