"""README's table and picture, written from a run's files so that no number is typed."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from srgan import evaluation
from srgan.errors import SRGANError
from srgan.paths import PROJECT, write_atomically
from srgan.progress import clock

BEGIN, END = "<!-- results: written by `python -m srgan readme` -->", "<!-- end of results -->"
PICTURE = PROJECT / "docs" / "comparison.jpg"


def update(results_path: Path) -> list[Path]:
    """Write the table of `results_path` and the picture beside it into README and docs/; returns the files written.

    Raises SRGANError if the results or README's markers are missing.
    """
    if not results_path.is_file():
        raise SRGANError(f"There are no results at {results_path}: make run first.")
    results = json.loads(results_path.read_text(encoding="utf-8"))
    readme = PROJECT / "README.md"
    text = readme.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise SRGANError(f"{readme} has no lines {BEGIN} and {END} to write the results between.")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    text = before + BEGIN + "\n" + section(results) + "\n" + END + after
    write_atomically(readme, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    pictures = sorted((results_path.parent / "comparisons").glob(f"{evaluation.HELD_OUT}_*.png"))
    if not pictures:
        raise SRGANError(f"There are no pictures in {results_path.parent / 'comparisons'}: make run first.")
    with Image.open(pictures[0]) as picture:
        smaller = picture.convert("RGB").resize((picture.width * 2 // 3, picture.height * 2 // 3), Image.Resampling.LANCZOS)
    write_atomically(PICTURE, lambda temporary: smaller.save(temporary, format="JPEG", quality=92, subsampling=0))
    return [readme, PICTURE]


def section(results: dict) -> str:
    """What README says of `results`: the table, and what it took."""
    steps = " + ".join(f"{steps:,}" for steps in results["steps"].values())
    return (
        f"{evaluation.table(results)}\n\n"
        f"Preset `{results['preset']}`, {steps} steps (SRResNet + GAN) trained in {clock(results['seconds'])} minutes on "
        f"{results['machine']}, commit `{results['commit']}`, TensorFlow {results['versions']['tensorflow']}."
    )
