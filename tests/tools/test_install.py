"""`pip install .` gives a command `srgan` that works in any folder, with the weights that come with the project."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from srgan.runs import weights
from srgan.runs.paths import PROJECT

BUILT_FROM = ("pyproject.toml", "requirements.txt", "README.md", "LICENSE", "srgan", "model")


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with all that the wheel puts into site-packages, built without the network."""
    if int(importlib.metadata.version("setuptools").split(".")[0]) < 77:
        pytest.skip("setuptools is older than 77: pip install -r tests/requirements.txt")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in BUILT_FROM:
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy
        copy(PROJECT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--wheel-dir", folder, source]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_every_module_and_the_weights(installed):
    ours = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "srgan").rglob("*.py")}
    ours |= {f"srgan/shipped/{name}{ending}" for name in weights.shipped() for ending in (".weights.h5", ".json")}
    assert {path.relative_to(installed).as_posix() for path in (installed / "srgan").rglob("*.*") if path.is_file()} == ours
    (entry,) = installed.glob("*.dist-info/entry_points.txt")
    assert "srgan = srgan.__main__:main" in entry.read_text()
    (about,) = installed.glob("*.dist-info/METADATA")
    assert "Requires-Dist: tensorflow<2.22,>=2.20" in about.read_text()


def test_installed_it_upscales_in_any_folder(installed, tmp_path):
    Image.new("RGB", (12, 10), (200, 100, 50)).save(tmp_path / "photo.png")
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); from srgan.__main__ import main; sys.exit(main(sys.argv[1:]))"

    def srgan(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True)

    done = srgan("upscale", "photo.png")
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "photo_x4.png").size == (48, 40)
    assert srgan("prepare", "--set", "hr_size=48").returncode == 0
    assert [path.name for path in (tmp_path / "data").iterdir()]  # the current folder is the working directory
    refused = srgan("run")
    assert refused.returncode == 1 and "the notebooks come with a checkout" in refused.stderr
