"""Notebook 05: where PSNR and SSIM lie, where a picture is wrong, and perception against distortion."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from srgan.data import images
from srgan.results import evaluation, metrics, palette, plots, published, scores
from srgan.runs import weights


def misleading(hr: np.ndarray) -> dict[str, np.ndarray]:
    """HR (H, W, 3) uint8 and three copies whose numbers and looks disagree, all of them equally large."""
    height, width = hr.shape[:2]
    blurred = images.resize(images.resize(hr, height // 2, width // 2), height, width)
    luma = metrics.luma(hr)[..., None]
    weights = np.array([65.481, 128.553, 24.966]) / 255
    # A change of colour that luma does not see: more red, less green.
    tint = np.clip(hr + 40.0 * np.array([1.0, -weights[0] / weights[1], 0.0]), 0, 255)
    tinted = np.clip(tint + (luma - metrics.luma(np.round(tint).astype(np.uint8))[..., None]) / weights.sum(), 0, 255)
    return {
        "HR": hr,
        "one pixel to the right": np.roll(hr, 1, axis=1),
        "blurred": blurred,
        "wrong colours": np.round(tinted).astype(np.uint8),
    }


def scored(pictures: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The pictures under names that hold their PSNR and SSIM against the first one."""
    hr = next(iter(pictures.values()))
    named = {}
    for name, picture in pictures.items():
        numbers = "" if picture is hr else f": {metrics.psnr_y(hr, picture):.1f} dB, SSIM {metrics.ssim_y(hr, picture):.3f}"
        named[name + numbers] = picture
    return named


def error_map(hr: np.ndarray, sr: np.ndarray, most: float = 40.0) -> np.ndarray:
    """Where SR differs from HR, both (H, W, 3) uint8: black is nothing, yellow a difference of luma of `most` levels or more."""
    error = np.abs(metrics.luma(hr) - metrics.luma(sr)) / most
    return (matplotlib.colormaps["inferno"](np.clip(error, 0, 1))[..., :3] * 255).astype(np.uint8)


def error_maps(hr: np.ndarray, pictures: dict[str, np.ndarray], height: int = 220):
    """The pictures in a row, the map of errors under each, as a PIL image. All of HR's size."""
    errors = {f"{name}: error": error_map(hr, picture) for name, picture in pictures.items()}
    return images.stack([images.strip(pictures | {"HR": hr}, height), images.strip(errors, height)])


def perception_distortion(results: dict, set_name: str = "") -> Figure:
    """Left: the paper's methods on Set14, PSNR against how people rated them. Right: this run's, PSNR against looks.

    In both, better by PSNR is further right and better to the eye is further up. Looks are the first of evaluation.PERCEPTUAL that
    was measured.
    """
    set_name = set_name or next(iter(results["sets"]))
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for method, opinion in published.MEAN_OPINION_SCORES["Set14"].items():
        _point(left, published.NUMBERS["Set14"][method]["psnr_y"], opinion, method)
    left.set(title="published, Set14", xlabel="PSNR-Y, dB (distortion: right is better)", ylabel="mean opinion, 1 to 5")
    # The blocks of "nearest" would count as detail, and HR has no PSNR.
    shown = {method: values for method, values in results["sets"][set_name].items() if method not in ("nearest", scores.HR)}
    key = next(key for key in evaluation.PERCEPTUAL if all(key in values for values in shown.values()))
    for method, values in shown.items():
        _point(right, values["psnr_y"], values[key], evaluation.METHODS[method])
    right.set(title=f"this run, {set_name}", xlabel="PSNR-Y, dB", ylabel=scores.MEASURES[key].heading)
    if scores.MEASURES[key].best is min:
        right.invert_yaxis()
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.margins(0.2)
    return figure


def plane(results: dict, set_name: str = "Set14") -> Figure:
    """PSNR against LPIPS on a benchmark: the weights that come with the project (by their cards), this run where it was measured
    with ST-LPIPS there, and published methods, which are measured with another LPIPS."""
    cards = {name: weights.card(path).get("scores", {}) for name, path in weights.shipped().items()}
    run = {f"this run's {evaluation.METHODS.get(name, name)}": values for name, values in results["sets"].get(set_name, {}).items()}
    found = {name: scores_of.get(set_name, {}) for name, scores_of in cards.items()} | run
    ours = {name: (values["psnr_y"], values["st_lpips"]) for name, values in found.items() if "st_lpips" in values}
    theirs = {name: (values["psnr_y"], values["lpips"]) for name, values in published.PERCEPTION[set_name].items()}
    return plots.plane(ours, theirs, set_name, scores.MEASURES["st_lpips"].about)


def _point(axes, x: float, y: float, name: str) -> None:
    color = {"SRGAN": palette.RED, "SRResNet": palette.BLUE}.get(name, palette.GRAY)
    axes.plot(x, y, "o", color=color)
    axes.annotate(name, (x, y), textcoords="offset points", xytext=(6, 5), fontsize=9)
