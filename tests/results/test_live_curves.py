"""The curves as SVG: every number in its place, checked by reading the drawing back."""

import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from srgan.results import live_curves, palette
from srgan.runs import history


def row(step: int, **values) -> dict:
    return {"step": float(step), "loss": 1.0, "learning_rate": 1e-4, "images_per_second": 100.0} | values


def drawn(svg: str) -> dict[tuple[str, str], np.ndarray]:
    """(colour, width) -> the points of each curve; fails if the drawing is not well-formed."""
    tree = ElementTree.fromstring(svg)
    found = {}
    for line in tree.iter("polyline"):
        points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
        found[line.get("stroke"), line.get("stroke-width")] = np.array(points)
    return found


def labels(svg: str) -> dict[str, tuple[float, float]]:
    return {text.text: (float(text.get("x")), float(text.get("y"))) for text in ElementTree.fromstring(svg).iter("text")}


def test_a_curve_lies_where_its_numbers_say():
    rows = [row(step, loss=loss) for step, loss in ((0, 2.0), (50, 4.0), (100, 3.0))]
    points = drawn(live_curves.plot("t", rows, {"loss": ("loss", "red")}))["red", "1"]
    assert points[:, 0] == pytest.approx(
        [live_curves.LEFT, (live_curves.LEFT + live_curves.WIDTH - live_curves.RIGHT) / 2, live_curves.WIDTH - live_curves.RIGHT]
    )
    bottom, top = live_curves.HEIGHT - live_curves.BOTTOM, live_curves.TOP
    assert points[:, 1] == pytest.approx([bottom, top, (bottom + top) / 2])


def test_a_logarithmic_curve_has_equal_ratios_at_equal_distances():
    rows = [row(step, loss=10.0**-step) for step in range(4)]
    svg = live_curves.plot("t", rows, {"loss": ("loss", "red")}, logarithmic=True)
    assert np.diff(drawn(svg)["red", "1"][:, 1]) == pytest.approx([48.3] * 3, abs=0.1)
    heights = [labels(svg)[text][1] for text in ("1", "0.1", "0.01", "0.001")]
    assert np.diff(heights) == pytest.approx([48.3] * 3, abs=1.1)


@pytest.mark.parametrize(
    ("low", "high", "logarithmic", "expected"),
    [
        (0, 1, False, [0, 0.5, 1]),
        (0.047, 0.071, False, [0.05, 0.06, 0.07]),
        (0.05, 0.6, True, [0.05, 0.1, 0.2, 0.5]),
        (1e-4, 10, True, [1e-4, 1e-3, 1e-2, 0.1, 1, 10]),
        (-3, 5, False, [-2, 0, 2, 4]),
        (98, 102, False, [98, 99, 100, 101, 102]),
    ],
)
def test_ticks_are_round_numbers_within_the_axis(low, high, logarithmic, expected):
    assert live_curves.ticks(low, high, logarithmic) == pytest.approx(expected)


def test_a_constant_and_a_single_row_are_drawn_within_the_panel():
    for rows in ([row(5)], [row(step) for step in range(9)], [row(step, loss=0.0) for step in range(3)]):
        for svg in re.findall(r"<svg.*?</svg>", live_curves.of_stage(rows)):
            for points in drawn(svg).values():
                assert np.isfinite(points).all()
                assert (points >= 0).all() and (points <= (live_curves.WIDTH, live_curves.HEIGHT)).all()


def test_a_gan_shows_d_with_a_line_at_a_half_and_srresnet_the_learning_rate():
    gan = [row(step, perceptual=0.1, content=0.1, discriminator=1.4, d_hr=0.6, d_sr=0.4) for step in range(1, 60)]
    panels = re.findall(r'aria-label="(.*?)"', live_curves.of_stage(gan))
    assert panels == ["Loss, all steps", "Loss, the newest steps", "D(HR) and D(SR), means", "Images a second"]
    third = re.findall(r"<svg.*?</svg>", live_curves.of_stage(gan))[2]
    (dashed,) = [line for line in ElementTree.fromstring(third).iter("line") if line.get("stroke-dasharray")]
    assert float(dashed.get("y1")) == float(dashed.get("y2")) == pytest.approx(labels(third)["0.5"][1] - 4, abs=1)
    assert {"D(HR)", "D(SR)"} <= labels(third).keys()
    assert re.findall(r'aria-label="(.*?)"', live_curves.of_stage([row(1), row(2)]))[2] == "Learning rate"
    alone = [{"step": 1.0, "discriminator": 1.0, "d_hr": 0.5, "d_sr": 0.5, "learning_rate": 1.0, "images_per_second": 1.0}]
    assert "discriminator loss" in live_curves.of_stage(alone)


@pytest.mark.parametrize(("count", "first"), [(5, 1), (30, 11), (1000, 801)])
def test_the_second_panel_has_the_last_fifth_but_twenty_rows_at_least(count, first):
    second = re.findall(r"<svg.*?</svg>", live_curves.of_stage([row(step) for step in range(1, count + 1)]))[1]
    assert str(first) in labels(second) and f"step {count:,}" in labels(second)


def test_names_are_escaped():
    svg = live_curves.plot("<b> & co", [row(1), row(2)], {"loss": ('"<i>', "red")})
    assert {"<b> & co", '"<i>'} <= labels(svg).keys()


def test_a_long_history_is_drawn_with_few_points_and_its_ends():
    rows = [row(step, loss=1 + math.sin(step / 900)) for step in range(1, 20_001)]
    figure = live_curves.of_stage(rows)
    assert len(figure) < 120_000
    whole = drawn(re.findall(r"<svg.*?</svg>", figure)[0])[palette.BLUE, "1"]
    assert len(whole) <= live_curves.POINTS and whole[-1, 0] == live_curves.WIDTH - live_curves.RIGHT
    assert "step 20,000" in figure


def test_thinning_takes_means_of_equal_groups_and_keeps_the_last_step():
    rows = [{"step": float(i), "loss": float(i)} for i in range(1, 8)]
    assert history.thinned(rows, 7) == rows
    assert history.thinned(rows, 3) == [{"step": 1.0, "loss": 1.0}, {"step": 4.0, "loss": 3.0}, {"step": 7.0, "loss": 6.0}]
