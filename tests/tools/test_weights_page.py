from __future__ import annotations

import pytest

from srgan.errors import SRGANError
from srgan.results import measuring, scores
from tools import readme, weights_page

BEGIN = readme.BEGIN.format("weights-page")


def values(number: float) -> dict:
    return {
        "psnr_y": 28 - number,
        "st_lpips": 0.2 - number / 10,
        "frechet": 150.0,
        "niqe": 5 - number,
        "images": 14,
        "seconds": 0.25,
    }


@pytest.fixture
def asked(monkeypatch):
    """What was asked of `measuring.measure`, which here measures nothing."""
    found = []

    def measure(names, sets, folders, kept):
        found.append((names, sets))
        kept.write_text("{}")
        rows = {name: values(i / 10) for i, name in enumerate(names)} | {scores.HR: {"niqe": 4.0, "images": 14}}
        measures = dict.fromkeys(("psnr_y", "st_lpips", "frechet", "niqe"), "")
        return {"measures": measures, "sets": dict.fromkeys(sets, rows)}

    monkeypatch.setattr(measuring, "measure", measure)
    monkeypatch.setattr(scores, "left_out", lambda keys: "")
    monkeypatch.setattr(scores, "Judge", lambda keys: type("Judge", (), {"keys": keys}))
    return found


def test_the_page_has_both_tables_and_figures(asked, tmp_path):
    page = tmp_path / "weights.md"
    page.write_text(f"above\n{BEGIN}\nold\n{readme.END}\nbelow\n")
    written = weights_page.update({}, tmp_path)
    assert all(path.is_file() for path in written) and {path.name for path in written} == {
        "weights.md", "weights_plane.jpg", "weights_dial.jpg", "weights_measured.json"}  # fmt: skip
    (contest, sets), (dial, first) = asked
    assert contest[:5] == ["bicubic", "fast", "fast-gan", "srresnet", "srgan"]
    assert contest[5:] == ["peer:esrgan-thick", "peer:realesrgan", "peer:clearreality"]
    assert sets == ["Set14", "BSD100"] and first == ["Set14"] and dial[:5] == list(weights_page.STRENGTHS.values())
    text = page.read_text()
    assert text.startswith("above\n") and text.endswith("below\n") and "old" not in text
    assert "| Set14 (14) | ESRGAN thick | 27.50 | 0.150 | **150** | 4.50 |" in text and "| BSD100 (14) | HR |" in text
    assert "| `--strength 0.25` | 27.90 | 0.190 | 150 | 4.90 | 0.25 |" in text and "| `--ensemble` |" in text
    assert "another LPIPS" in text


def test_without_the_file_of_a_measure_the_page_is_left_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(scores, "Judge", lambda keys: type("Judge", (), {"keys": ("psnr_y",)}))
    with pytest.raises(SRGANError, match="The page wants all measures"):
        weights_page.update({}, tmp_path)
    assert not list(tmp_path.iterdir())
