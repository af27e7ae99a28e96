"""The Fréchet distance between two sets of pictures: that of two Gaussians fitted to their features.

On the `pool_3` features of the Inception network of 2015 it is the FID (Heusel et al. 2017); on others it has another
name. Zero for equal statistics, and the smaller the more alike; numbers compare only for equal features and counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from srgan.data import images, sources
from srgan.errors import SRGANError
from srgan.results import frechet_features

BATCH = 32  # pictures that go through a network at once
ENOUGH = 500  # pictures of each set from which on the number stands without a warning


class Gaussian(NamedTuple):
    """The Gaussian of the features of `images` pictures: mean (D,), and a root (R, D) of the covariance, which is root' root."""

    mean: np.ndarray
    root: np.ndarray
    images: int


@dataclass(frozen=True)
class Distance:
    """A Fréchet distance, under the name of its features and with the number of pictures in each of the two sets."""

    name: str
    value: float
    images: tuple[int, int]

    def __str__(self) -> str:
        counts = f"{self.images[0]} images against {self.images[1]}"
        few = "" if min(self.images) >= ENOUGH else f": fewer than {ENOUGH}, so it says little"
        return f"{self.name} {self.value:.2f} ({counts}{few})"


def fit(features: np.ndarray) -> Gaussian:
    """The Gaussian of `features` (N, D), with the unbiased covariance. Raises SRGANError for fewer than two rows."""
    if len(features) < 2:
        raise SRGANError(f"A Fréchet distance needs two images or more in each set, not {len(features)}.")
    features = np.asarray(features, np.float64)
    mean = features.mean(axis=0)
    root = (features - mean) / np.sqrt(len(features) - 1)
    return Gaussian(mean, np.linalg.qr(root, mode="r") if len(root) > root.shape[1] else root, len(features))


def distance(a: Gaussian, b: Gaussian) -> float:
    """|mean difference|^2 + tr(A + B - 2 (A B)^(1/2)) of the covariances A and B (Dowson and Landau 1982).

    With A = R'R and B = S'S the eigenvalues of A B are the squared singular values of R S', so the trace of the root is
    their sum. Neither the product nor its root is formed, and singular covariances (fewer images than features) need
    nothing added to them.
    """
    difference = a.mean - b.mean
    overlap = np.linalg.svd(a.root @ b.root.T, compute_uv=False).sum()
    squared = difference @ difference + np.sum(np.square(a.root)) + np.sum(np.square(b.root)) - 2 * overlap
    return max(float(squared), 0.0)  # rounding may leave a little less than 0 of equal Gaussians


def features(pictures: Iterable[np.ndarray], extract: frechet_features.Extractor) -> np.ndarray:
    """The features (N, D) of `pictures`, (H, W, 3) uint8 each, of equal or unequal sizes."""
    found = [extract(batch) for batch in _batches(pictures)]
    return np.concatenate(found) if found else np.empty((0, 0))


def gaussian(pictures: Iterable[np.ndarray], extract: frechet_features.Extractor) -> Gaussian:
    """The Gaussian of the features of `pictures`, (H, W, 3) uint8 each, of equal or unequal sizes."""
    return fit(features(pictures, extract))


def halves_apart(found: np.ndarray, counts: list[int], rounds: int = 20, seed: int = 0) -> dict[int, float]:
    """{n: the mean distance of two disjoint random groups of n rows} of the features `found` (N, D), for each n up to N / 2.

    Both groups are of one kind, so all of it is bias: what a Fréchet distance shows where there is nothing to see.
    """
    rng = np.random.default_rng(seed)
    means = {}
    for count in counts:
        orders = [rng.permutation(len(found)) for _ in range(rounds)]
        means[count] = float(np.mean([distance(fit(found[o[:count]]), fit(found[o[count : 2 * count]])) for o in orders]))
    return means


def compare(a: Iterable[np.ndarray], b: Iterable[np.ndarray], features: str, workdir: Path) -> Distance:
    """The distance between two sets of pictures, (H, W, 3) uint8 each, by `features`: "inception" or "mobilenet".

    The network's file is found or fetched as `frechet_features.load` says. Raises SRGANError if it cannot be had, or for fewer
    than two pictures in a set.
    """
    extract = frechet_features.load(features, workdir)
    first, second = gaussian(a, extract), gaussian(b, extract)
    return Distance(frechet_features.NAMES[features], distance(first, second), (first.images, second.images))


def folder(path: Path) -> Iterator[np.ndarray]:
    """The images of a folder, subfolders included. Raises SRGANError if there is none, and later if one cannot be read."""
    photos = sources.photos(f"folder:{path}")

    def read() -> Iterator[np.ndarray]:
        for photo in tqdm(photos, desc=path.name, unit="image", disable=None):
            yield images.read_image(photo.path)

    return read()


def _batches(pictures: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Neighbours of one size together, (B, H, W, 3), BATCH at most."""
    batch: list[np.ndarray] = []
    for picture in pictures:
        if batch and (len(batch) == BATCH or picture.shape != batch[0].shape):
            yield np.stack(batch)
            batch = []
        batch.append(picture)
    if batch:
        yield np.stack(batch)
