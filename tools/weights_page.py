"""The tables and figures of docs/weights.md that say how good the weights are: measured, kept as JSON, written into the page."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from srgan.errors import SRGANError
from srgan.results import evaluation, measuring, plots, published, scores
from srgan.results.peers import NAMES
from srgan.results.scores import HR, MEASURES
from srgan.results.tables import Table
from srgan.runs import machine
from srgan.runs.paths import PROJECT
from tools import readme

PAGE = PROJECT / "docs" / "weights.md"
OURS = ("bicubic", "fast", "fast-gan", "srresnet", "srgan")
PEERS = tuple(f"peer:{name}" for name in ("esrgan-thick", "realesrgan", "clearreality"))
SETS = ("Set14", "BSD100")
KEPT = PROJECT / "docs" / "weights_measured.json"  # all that was measured of weights: the cards are written from it too
COLUMNS = tuple(key for key in evaluation.SHOWN if key != "ssim_y")
STRENGTHS = {0.0: "srresnet", 0.25: "srgan@0.25", 0.5: "srgan@0.5", 0.75: "srgan@0.75", 1.0: "srgan"}
ENSEMBLES = ("srresnet+ensemble", "srgan+ensemble")
OF_THE_DIAL = {"psnr_y": "PSNR-Y, dB", "st_lpips": "ST-LPIPS (less is better)", "niqe": "NIQE (less is better)"}


def update(
    folders: dict[str, Path], docs: Path = PAGE.parent, sets: tuple[str, ...] = SETS, peers: tuple[str, ...] = PEERS
) -> list[Path]:
    """Measure what has changed, and write tables and figures; returns the files written.

    The contest of all methods is on `sets`, dial and self-ensemble on the first of them. What KEPT has of the same weights stands.
    Raises SRGANError if a benchmark, weights, the file of a measure, or one of `peers` that is not measured yet is missing.
    """
    refuse_without_measures(evaluation.SHOWN)
    kept = docs / KEPT.name
    contest = measuring.measure([*OURS, *peers], list(sets), folders, kept)
    dial = measuring.measure([*STRENGTHS.values(), *ENSEMBLES], [sets[0]], folders, kept)
    pictures = {docs / "weights_plane.jpg": _plane(contest, dial, sets[0]), docs / "weights_dial.jpg": _dial(dial)}
    for path, figure in pictures.items():
        readme.write_figure(figure, path)
    readme.write_between(docs / PAGE.name, "weights-page", section(contest, dial, sets[0]))
    return [docs / PAGE.name, *pictures, kept]


def refuse_without_measures(keys: tuple[str, ...]) -> None:
    """Raises SRGANError if the file of one of these measures is not named."""
    missing = scores.left_out(scores.Judge(keys).keys)
    if missing:
        raise SRGANError(f"The page wants all measures. {missing}")


def section(contest: dict, dial: dict, first: str) -> str:
    """What the page says between its marks."""
    return "\n\n".join(
        (
            measuring.table(contest, COLUMNS).markdown(),
            f"![PSNR against LPIPS on {first}: our methods, networks of others, published points](weights_plane.jpg)",
            f"Hollow points are published ({published.PERCEPTION_SOURCE}) and measured with another LPIPS than ours: they tell how "
            "those methods lie to each other and to bicubic, not to ours.",
            "### The dial and the ensemble",
            _dial_table(dial, first).markdown(),
            f"![PSNR, LPIPS and NIQE at five strengths, {first}](weights_dial.jpg)",
            f"CPU seconds are of all cores together, for an image of {first} in the mean, on {machine.describe()}, "
            f"commit `{machine.commit()}`.",
        )
    )


def _dial_table(dial: dict, name: str) -> Table:
    keys = [key for key in COLUMNS if key in dial["measures"]]
    shown = {method: f"`--strength {strength:g}`" for strength, method in STRENGTHS.items()}
    shown |= {"srresnet+ensemble": "`--strength 0 --ensemble`", "srgan+ensemble": "`--ensemble`"}
    rows = (
        (shown[method], *(evaluation.shown(key, values[key]) for key in keys), f"{values['seconds']:.2f}")
        for method, values in dial["sets"][name].items()
        if method != HR
    )
    return Table((name, *(MEASURES[key].heading for key in keys), "CPU seconds"), rows)


def _plane(contest: dict, dial: dict, name: str) -> Figure:
    """All methods of one set, the strengths between the ends as a line."""
    found = {NAMES.get(method.removeprefix("peer:"), method): values for method, values in contest["sets"][name].items()}
    found |= {method: values for method, values in dial["sets"][name].items() if method in ENSEMBLES}
    ends = {f"@{strength:g}": dial["sets"][name][method] for strength, method in STRENGTHS.items()}
    ours = {method: (v["psnr_y"], v["st_lpips"]) for method, v in (found | ends).items() if "st_lpips" in v}
    theirs = {method: (values["psnr_y"], values["lpips"]) for method, values in published.PERCEPTION.get(name, {}).items()}
    return plots.plane(ours, theirs, name, MEASURES["st_lpips"].about)


def _dial(dial: dict) -> Figure:
    values = {name: {strength: by[method] for strength, method in STRENGTHS.items()} for name, by in dial["sets"].items()}
    return plots.dial(values, {key: label for key, label in OF_THE_DIAL.items() if key in dial["measures"]})
