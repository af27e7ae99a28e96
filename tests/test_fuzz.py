"""A short run of `python -m tests.fuzz`."""

import pytest

from srgan.data import pictures
from tests import fuzz


def test_files_of_odd_structure_are_right_or_refused_in_a_sentence(monkeypatch):
    pytest.importorskip("av")
    monkeypatch.setattr(pictures, "LARGEST", 1_000_000)  # what promises more is refused; reading so much takes long
    told = fuzz.run(240)
    assert told["known TIFF", "read"] > 30 and told["known GIF", "read"] > 30, told
    assert all(told[kind, "refused"] and told[kind, "read"] for kind in ("odd TIFF", "odd APNG", "odd GIF", "odd WebP")), told
    assert told["odd film", "done"] > 2
