"""The study in five minutes: the domains are cut out of the sample photos, varied ones and textures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from srgan.data import images, sources
from srgan.results import comparisons
from srgan.results.evaluation import TestImage

DOMAINS = {  # the photos of each domain; Model A's first
    "varied": ("astronaut.png", "camera.png", "coins.png", "grace_hopper.jpg", "motorcycle_left.png", "rocket.jpg"),
    "textures": ("brick.png", "grass.png", "gravel.png"),
}
TRAINING_TILES, TILE = 12, 160  # for each domain: as many pixels for both
TEST_TILE = 96
STAGE = "srresnet"  # by pixels alone: a GAN wants more than five minutes
SETTINGS = {"pretrain_steps": 1000, "gan_steps": 0}  # on top of preset quick


def write_training_tiles(folder: Path) -> dict[str, str]:
    """Write TRAINING_TILES tiles of each domain into `folder`/DOMAIN; returns the names of these data sets, by domain.

    They come from the left three quarters of each photo; `test_images` come from the rest.
    """
    for domain, photos in _photos().items():
        each = TRAINING_TILES // len(photos)
        for name, photo in photos.items():
            learned = photo[:, : photo.shape[1] * 3 // 4]
            for i, tile in enumerate(_most_detailed(learned, TILE, each)):
                images.save_png(folder / domain / f"{Path(name).stem}_{i}.png", tile)
    return {domain: f"folder:{folder / domain}" for domain in DOMAINS}


def test_images(count: int = 24) -> dict[str, list[TestImage]]:
    """`count` pictures of each domain that no model has seen: from the right quarter of each photo."""
    found = {}
    for domain, photos in _photos().items():
        tiles = []
        for name, photo in photos.items():
            held_out = photo[:, photo.shape[1] * 3 // 4 :]
            for i, hr in enumerate(_most_detailed(held_out, TEST_TILE, count // len(photos))):
                tiles.append((f"{Path(name).stem} {i}", images.degrade(hr), hr))
        found[domain] = tiles
    return found


def _photos() -> dict[str, dict[str, np.ndarray]]:
    paths = {photo.name: photo.path for photo in sources.photos("samples")}
    return {domain: {name: images.read_image(paths[name]) for name in names} for domain, names in DOMAINS.items()}


def _most_detailed(photo: np.ndarray, side: int, count: int) -> list[np.ndarray]:
    """The `count` tiles (side, side, 3) of `photo` with the most variance of luma, none within half a side of another."""
    places = comparisons.by_detail(photo, side)
    chosen: list[tuple[int, int]] = []
    for top, left in places:
        if all(max(abs(top - other[0]), abs(left - other[1])) >= side // 2 for other in chosen):
            chosen.append((top, left))
        if len(chosen) == count:
            break
    return [photo[top : top + side, left : left + side] for top, left in chosen]


def crops(count: int, side: int = 64, seed: int = 0) -> list[np.ndarray]:
    """`count` random crops (side, side, 3) of all sample photos."""
    rng = np.random.default_rng(seed)
    photos = [images.read_image(photo.path) for photo in sources.photos("samples")]
    found = []
    for i in range(count):
        photo = photos[i % len(photos)]
        top, left = (rng.integers(0, length - side + 1) for length in photo.shape[:2])
        found.append(photo[top : top + side, left : left + side])
    return found
