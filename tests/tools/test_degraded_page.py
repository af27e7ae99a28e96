from __future__ import annotations

from pathlib import Path

import pytest

from srgan.errors import SRGANError
from srgan.results import degraded, measuring, scores
from tools import degraded_page, readme

BEGIN = readme.BEGIN.format("degraded-page")


def test_each_measure_has_a_table_of_methods_and_degradations_with_the_best_in_bold(monkeypatch, tmp_path):
    def measure(names, sets, folders, kept):
        assert names[0] == "bicubic" and ("data/mine:all" in sets) != (degraded_page.SLOW in names)
        kept.write_text("{}")
        rows = {
            name: {"psnr_y": 25 - i, "st_lpips": 0.4 - i / 10, "frechet": 150.0, "niqe": 5.0 + i} for i, name in enumerate(names)
        }
        return {"sets": {each: rows | {scores.HR: {"niqe": 4.0}} for each in degraded.expanded(Path(name).name for name in sets)}}

    monkeypatch.setattr(measuring, "measure", measure)
    monkeypatch.setattr(scores, "left_out", lambda keys: "")
    monkeypatch.setattr(scores, "Judge", lambda keys: type("Judge", (), {"keys": keys}))
    page = tmp_path / "degraded.md"
    page.write_text(f"above\n{BEGIN}\nold\n{readme.END}\nbelow\n")
    written = degraded_page.update({}, ("Set5", "data/mine"), tmp_path)
    assert [path.name for path in written] == ["degraded.md", "weights_measured.json"]
    text = page.read_text()
    assert "| PSNR-Y, dB | pillow | ffmpeg | libvips |" in text and f"| bicubic |{' **25.00** |' * 3}\n" in text
    assert [line for line in text.splitlines() if line.startswith("###")] == ["### Set5", "### mine", "### As programs save them"]
    assert text.count("| PSNR-Y, dB | jpeg50 | jpeg75 |") == 2 and text.count("| Real-ESRGAN x4plus |") == 2 * 4
    assert "| bicubic | **25.00** | **25.00** |" in text
    assert f"| ClearReality SPAN |{' **-0.100** |' * 9}" in text and f"| photo |{' 0.200 |' * 9}" in text
    assert "HR" not in text and "old" not in text and text.endswith("below\n")


def test_without_the_file_of_a_measure_the_page_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(scores, "Judge", lambda keys: type("Judge", (), {"keys": ("psnr_y",)}))
    with pytest.raises(SRGANError, match="The page wants all measures"):
        degraded_page.update({}, ("Set14",), tmp_path)
