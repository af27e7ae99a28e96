"""The tables of docs/degraded.md: how well the weights, and networks of others, do on pictures that suffered."""

from __future__ import annotations

from pathlib import Path

from srgan.results import evaluation, measuring
from srgan.results.degraded import NINE, PROGRAMS
from srgan.results.peers import NAMES
from srgan.results.scores import HR, MEASURES
from srgan.results.tables import Table
from srgan.runs import machine
from srgan.runs.paths import PROJECT
from tools import readme, weights_page

PAGE = PROJECT / "docs" / "degraded.md"
SETS = ("Set14", "data/held-out")
SLOW = "peer:realesrgan"  # seconds an image: measured on the first set, and on the programs' photos
METHODS = ("bicubic", "srgan", "photo", "photo-fast", SLOW, "peer:clearreality")
COLUMNS = ("psnr_y", "st_lpips", "frechet", "niqe")


def update(
    folders: dict[str, Path], sets: tuple[str, ...] = SETS, docs: Path = PAGE.parent, methods: tuple[str, ...] = METHODS
) -> list[Path]:
    """Measure what has changed, and write the tables; returns the files written.

    What is kept of the same weights stands, as with `weights_page.update`. Raises SRGANError if one of `sets`, weights, the file of
    a measure, or a network of others that is not measured yet is missing.
    """
    weights_page.refuse_without_measures(COLUMNS)
    kept = docs / weights_page.KEPT.name
    first, *others = (f"{name}:all" for name in sets)
    measured = measuring.measure(list(methods), [first, f"{measuring.SAMPLES}:programs"], folders, kept)["sets"]
    measured |= measuring.measure([each for each in methods if each != SLOW], others, folders, kept)["sets"]
    readme.write_between(docs / PAGE.name, "degraded-page", section(measured, sets))
    return [docs / PAGE.name, kept]


def section(measured: dict, sets: tuple[str, ...]) -> str:
    """What the page says between its marks: a table for each measure, of each set's nine degradations and of the programs."""
    parts = ["With clean LR: [docs/weights.md](weights.md#how-good-they-are)."]
    for name in (Path(each).name for each in sets):
        parts += [f"### {name}", *(table(measured, name, NINE, key).markdown() for key in COLUMNS)]
    return "\n\n".join(
        (
            *parts,
            "### As programs save them",
            "The photos in scikit-image and matplotlib, shrunk to a quarter and saved as JPEG at each program's defaults.",
            *(table(measured, measuring.SAMPLES, PROGRAMS, key).markdown() for key in COLUMNS),
            f"Commit `{machine.commit()}`.",
        )
    )


def table(measured: dict, name: str, degradations: tuple[str, ...], key: str) -> Table:
    """One measure of a set: a row for each method, a column for each degradation, the best of each in bold."""
    columns = [measured[f"{name}:{degradation}"] for degradation in degradations]
    best = [evaluation.best(key, column) for column in columns]
    rows = [
        (
            NAMES.get(method.removeprefix("peer:"), method),
            *(evaluation.cell(key, c[method], b) for c, b in zip(columns, best, strict=True)),
        )
        for method in columns[0]
        if method != HR
    ]
    return Table((MEASURES[key].heading, *degradations), rows)
