"""The pictures to compare by."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from srgan.results import comparisons


def test_a_contact_sheet_has_every_photo_in_its_place():
    sheet = comparisons.contact_sheet([np.full((40, 40, 3), 20 * i, np.uint8) for i in range(1, 11)], side=20, columns=4)
    assert sheet.size == (4 * 24, 3 * 24)
    for i in range(10):
        assert sheet.getpixel((i % 4 * 24 + 10, i // 4 * 24 + 10)) == (20 * (i + 1),) * 3


def test_names_of_pictures_are_short_and_differ():
    """Photos may lie deep in folders, and two ways of folders may give one name."""
    names = ["a.png", "a.jpg", "x/y_z.png", "x_y/z.png", f"{'m' * 250}/one.png", f"{'m' * 250}/two.png", "猫" * 80 + ".png"]
    written = []
    for name in names:
        written.append(Path("comparisons") / comparisons._file_name("held-out", name, written))
    assert len(set(written)) == len(names) and all(len(os.fsencode(path.name)) < 255 for path in written)
    assert [path.name for path in written[:3:2]] == ["held-out_a.png", "held-out_x_y_z.png"]
