"""The person's own computer: uploads come from the folder $SRGAN_TEST_UPLOADS, downloads go to $SRGAN_TEST_DOWNLOADS."""

import os
import shutil
from pathlib import Path


def upload() -> dict[str, bytes]:
    """As in Colab: {name: content}, and the files lie in the current folder afterwards."""
    chosen = sorted(path for path in Path(os.environ["SRGAN_TEST_UPLOADS"]).iterdir() if path.is_file())
    for path in chosen:
        shutil.copy(path, Path.cwd() / path.name)
    return {path.name: path.read_bytes() for path in chosen}


def download(filename: str) -> None:
    """As in Colab: FileNotFoundError if there is no such file."""
    if not Path(filename).is_file():
        raise FileNotFoundError(f"Cannot find file: {filename}")
    shutil.copy(filename, Path(os.environ["SRGAN_TEST_DOWNLOADS"]) / Path(filename).name)
