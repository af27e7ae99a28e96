"""Some of tests/pairs.py and tests/kills.py: two at once, and killed at any moment."""

from __future__ import annotations

import pytest

from tests import kills, pairs


@pytest.mark.parametrize("kind", ["prepare", "fetch", "unpack", "upscale"])
def test_two_at_once_are_both_right_or_one_is_told(kind):
    right, told = pairs.run(kind, 1)
    assert right + told == 1


@pytest.mark.parametrize("kind", ["fetch", "unpack", "film"])
def test_what_was_killed_ends_like_what_was_not(kind):
    kills.run(kind, 2)
