"""A short soak; `python -m tests.soak --kills 40` is the long one."""

from tests import soak


def test_three_kills_leave_no_trace():
    told, differences = soak.soak(kills=3, seed=7, steps=12)
    assert told["kills"] == 3
    assert differences == []
