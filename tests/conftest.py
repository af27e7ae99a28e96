"""What several test files share: small real photos, a network that trains in seconds, and the data that may be missing."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import resource
import zipfile

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # before TensorFlow is imported anywhere

from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from srgan.config import Config, settings
from srgan.data.catalogue import PHOTOS, PublicPhotos
from srgan.data.fetch import RemoteFile
from srgan.runs.paths import PROJECT, Paths
from tests.servers import serve


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
    return settings(
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


@pytest.fixture
def photo_folder(tmp_path) -> Path:
    """A folder of one's own with six photos of four sizes, none of them a multiple of 4 on both sides, one in a subfolder."""
    folder = tmp_path / "photos"
    (folder / "trip").mkdir(parents=True)
    for i, name in enumerate(("astronaut", "chelsea", "coffee", "rocket", "retina", "trip/motorcycle")):
        photo = skimage.data.stereo_motorcycle()[0] if "motorcycle" in name else getattr(skimage.data, name)()
        height, width = 41 + 5 * (i % 4), 50 - 3 * (i % 4)
        Image.fromarray(photo[90 : 90 + height, 180 : 180 + width]).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def full_disk():
    """`with full_disk(after=N)`: no file can grow beyond N bytes; the system refuses the write, as on a full disk."""

    @contextlib.contextmanager
    def limit(after: int):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (after, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


@pytest.fixture
def public_set(monkeypatch):
    """A server on this machine whose twelve photos of one colour each, 40x32 to 51x32, are the set "coco"."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for i in range(12):
            png = io.BytesIO()
            Image.new("RGB", (40 + i, 32), (i, 2 * i, 3 * i)).save(png, "PNG")
            archive.writestr(f"val2017/{i:012d}.png", png.getvalue())
        archive.writestr("val2017/readme.txt", "words")
        archive.writestr("__MACOSX/val2017/000000000000.png", "not a photo")
    with serve() as server:
        packed = server.files["val2017.zip"] = content.getvalue()
        mirrors = (server.address("missing", "val2017.zip"), server.address("good", "val2017.zip"))
        file = RemoteFile("val2017.zip", mirrors, len(packed), f"sha256:{hashlib.sha256(packed).hexdigest()}")
        monkeypatch.setitem(PHOTOS, "coco", PublicPhotos(file, "val2017", "twelve photos", "free"))
        yield server
