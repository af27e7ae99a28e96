"""What several test files share: small real photos, a network that trains in seconds, and the data that may be missing."""

from __future__ import annotations

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # before TensorFlow is imported anywhere

from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from srgan.config import Config
from srgan.paths import PROJECT, Paths


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """A folder of eight 64x48 photos."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        photo = getattr(skimage.data, name)()
        for part, top in (("upper", 60), ("lower", 200)):
            Image.fromarray(photo[top : top + 48, 180:244]).save(folder / f"{name}_{part}.png")
    return folder


@pytest.fixture(scope="session")
def tiny(photos) -> Config:
    """Both stages in seconds: the paper's architecture, as small as it gets."""
    return Config(
        preset="tiny",
        dataset=f"folder:{photos}",
        hr_size=32,
        batch_size=2,
        blocks=1,
        filters=8,
        head_kernel=3,
        output_kernel=3,
        discriminator_filters=4,
        discriminator_dense=8,
        content="pixels",
        pretrain_steps=4,
        gan_steps=4,
        pretrain_learning_rate=1e-3,
        gan_learning_rate=1e-3,
        precision="float32",
        log_every=2,
        sample_every=1000,
        save_minutes=1000.0,
    )


@pytest.fixture
def paths(tmp_path) -> Paths:
    """An empty working directory."""
    return Paths(tmp_path, "tiny")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Benchmarks, photos and weights that are not part of the project."""
    folder = PROJECT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"There is no {folder}, which holds the benchmarks and the VGG19 weights.")
    return folder
