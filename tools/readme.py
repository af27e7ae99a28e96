"""Tables and pictures of README and docs/, written from a run's files so that no number is typed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from srgan.data import images, sources
from srgan.errors import SRGANError
from srgan.results import comparisons, evaluation, study
from srgan.runs import weights
from srgan.runs.paths import PROJECT, write_atomically, write_json
from srgan.runs.progress import clock
from srgan.upscale import network, order
from tools import ship

BEGIN, END = "<!-- results: written by `python -m tools {}` -->", "<!-- end of results -->"
PICTURE = PROJECT / "docs" / "comparison.jpg"
PHOTO = PROJECT / "docs" / "photo.png"  # what README upscales
BEFORE_AND_AFTER = PROJECT / "docs" / "before_after.jpg"
DETAILS = PROJECT / "docs" / "weights.jpg"
DETAILS_OF = ("chelsea.png", "coffee.png", "motorcycle_left.png")  # samples that none of the weights in model/ learned from


def update(results_path: Path) -> list[Path]:
    """Write the table of `results_path` and the picture beside it into README and docs/; returns the files written.

    Raises SRGANError if the results or README's markers are missing.
    """
    if not results_path.is_file():
        raise SRGANError(f"There are no results at {results_path}: make run first.")
    results = json.loads(results_path.read_text(encoding="utf-8"))
    readme = PROJECT / "README.md"
    write_between(readme, "readme", section(results))
    pictures = sorted((results_path.parent / "comparisons").glob(f"{evaluation.HELD_OUT}_*.png"))
    if not pictures:
        raise SRGANError(f"There are no pictures in {results_path.parent / 'comparisons'}: make run first.")
    _write_smaller(pictures[0], PICTURE)
    return [readme, PICTURE]


def update_study(folder: Path) -> list[Path]:
    """Write the study's table and curves from `folder` into docs/; returns the files written.

    The strips stay where they are: there are faces in them, of varied photos too.
    """
    results, docs = study.read(folder), PROJECT / "docs"
    steps, seconds = results["steps"]["varied"], sum(results["seconds"].values())
    text = (
        f"{study.table(results)}\n\n{study.differences_table(results)}\n\n"
        f"{steps:,} steps a model, {clock(seconds)} for both on {results['machine']}, commit `{results['commit']}`. "
        f"Mean content loss of the last tenth: A {results['content']['varied']:.4g}, B {results['content']['faces']:.4g}."
    )
    write_between(docs / "study.md", "study-docs", text)
    write_json(docs / "study.json", results)  # notebook 07 shows them
    for name in ("frechet", "content"):
        _write_smaller(folder / f"{name}.png", docs / f"study_{name}.jpg")
    return [docs / "study.md", docs / "study.json", *(docs / f"study_{name}.jpg" for name in ("frechet", "content"))]


def update_weights() -> list[Path]:
    """Write what the weights in model/ score into README, its photo before and after and details into docs/; returns the files.

    Raises SRGANError if there are none.
    """
    shipped = weights.shipped()
    write_between(PROJECT / "README.md", "ship", ship.table().markdown())
    lr = images.read_image(PHOTO)
    upscalers = {"bicubic": network.bicubic} | {name: network.load(path) for name, path in shipped.items()}
    shown = ("bicubic", order.model_for(PHOTO, shipped))  # the second is what `srgan upscale` takes
    _write_jpeg(images.strip({name: upscalers[name](lr) for name in shown}), BEFORE_AND_AFTER)
    photos = {photo.name: photo.path for photo in sources.photos("samples")}
    _write_jpeg(images.stack([_detail(images.read_image(photos[name]), upscalers) for name in DETAILS_OF]), DETAILS)
    return [PROJECT / "README.md", BEFORE_AND_AFTER, DETAILS]


def _detail(hr: np.ndarray, upscalers: dict[str, network.Upscaler]) -> Image.Image:
    """The most varied part of HR, as each of the upscalers makes it from LR and as it is."""
    hr = images.crop_to_scale(hr)
    lr = images.degrade(hr)
    top, left, side = comparisons.most_detailed(hr)
    made = {name: upscaler(lr) for name, upscaler in upscalers.items()} | {"HR": hr}
    return images.strip({name: image[top : top + side, left : left + side] for name, image in made.items()}, height=2 * side)


def write_between(path: Path, command: str, section: str) -> None:
    """Replace what stands between the marks of `command` in the page at `path`. Raises SRGANError if it has none."""
    text, begin = path.read_text(encoding="utf-8") if path.is_file() else "", BEGIN.format(command)
    if begin not in text or END not in text:
        raise SRGANError(f"{path} has no lines {begin} and {END} to write the results between.")
    before, rest = text.split(begin)
    text = before + begin + "\n" + section + "\n" + END + rest.split(END, 1)[1]
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _write_smaller(source: Path, target: Path) -> None:
    """The picture as JPEG at two thirds of its size."""
    with Image.open(source) as picture:
        _write_jpeg(
            picture.convert("RGB").resize((picture.width * 2 // 3, picture.height * 2 // 3), Image.Resampling.LANCZOS), target
        )


def write_figure(figure: Figure, target: Path) -> None:
    """A figure of matplotlib as JPEG."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    _write_jpeg(Image.open(content).convert("RGB"), target)


def _write_jpeg(picture: Image.Image, target: Path) -> None:
    write_atomically(target, lambda temporary: picture.save(temporary, format="JPEG", quality=92, subsampling=0))


def section(results: dict) -> str:
    """What README says of `results`: the table, and what it took."""
    steps = " + ".join(f"{steps:,}" for steps in results["steps"].values())
    return (
        f"{evaluation.table(results)}\n\n"
        f"Preset `{results['preset']}`, {steps} steps (SRResNet + GAN) trained in {clock(results['seconds'])} minutes on "
        f"{results['machine']}, commit `{results['commit']}`, TensorFlow {results['versions']['tensorflow']}."
    )
