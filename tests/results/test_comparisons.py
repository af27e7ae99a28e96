"""The pictures to compare by."""

from __future__ import annotations

import numpy as np

from srgan.results import comparisons


def test_a_contact_sheet_has_every_photo_in_its_place():
    sheet = comparisons.contact_sheet([np.full((40, 40, 3), 20 * i, np.uint8) for i in range(1, 11)], side=20, columns=4)
    assert sheet.size == (4 * 24, 3 * 24)
    for i in range(10):
        assert sheet.getpixel((i % 4 * 24 + 10, i // 4 * 24 + 10)) == (20 * (i + 1),) * 3
