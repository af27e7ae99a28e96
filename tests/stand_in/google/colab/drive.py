"""Google Drive, which appears when it is mounted."""

from pathlib import Path


def mount(path: str) -> None:
    (Path(path) / "MyDrive").mkdir(parents=True, exist_ok=True)
