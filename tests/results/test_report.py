"""The report of a run: one file, whole, safe, with the run's own numbers."""

import base64
import datetime
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from srgan.__main__ import main
from srgan.data import images
from srgan.errors import SRGANError
from srgan.presets import preset
from srgan.results import report
from srgan.runs import checkpoints
from srgan.runs.history import History
from srgan.runs.paths import Paths

VOID = {"meta", "img", "rect", "line", "polyline", "br"}  # elements without an end
COLUMNS = ("step", "loss", "learning_rate", "images_per_second")
EVIL = '<script>alert("1")</script>'


class Read(HTMLParser):
    """What a browser finds: tags with their attributes, the words, and whether every tag is closed."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def run(tmp_path):
    """A run at step 40 of 100, with a strip, a comparison and a checkpoint."""
    config, paths = preset("quick", run="mine", pretrain_steps=100, gan_steps=50), Paths(tmp_path, "mine")
    log = History(paths.history("srresnet"), COLUMNS)
    for step in range(10, 50, 10):
        log.append({"step": step, "loss": 1 / step, "learning_rate": 1e-3, "images_per_second": 123.0})
    for step in (10, 20, 30, 40):
        images.save_png(paths.sample("srresnet", step), np.full((8, 12, 3), step, np.uint8))
    images.save_png(paths.output / "comparisons" / "held-out_a&b.png", np.full((9, 3000, 3), 7, np.uint8))
    about = {"stage": "srresnet", "step": 40, "saved": datetime.datetime.now().astimezone().isoformat(), "seconds": 75.0}
    about |= {"config": config.flat(), "versions": {"tensorflow": "2.99.1"}, "commit": "abc123", "metrics": {"psnr_y": 29.5}}
    checkpoints.save(paths.checkpoints, {"a": np.zeros(1, np.float32)}, about, keep=2)
    return config, paths


RESULTS = {
    "sets": {"held-out": {"bicubic": {"psnr_y": 29.376, "ssim_y": 0.78554, "ssim_y_uniform": 0.7, "psnr_rgb": 27.0, "images": 2},
                          "srresnet": {"psnr_y": None, "ssim_y": 0.81934, "ssim_y_uniform": 0.7, "psnr_rgb": 28.0, "images": 2}}},
    "commit": "def456", "machine": f"2 cores {EVIL}", "seconds": 305, "steps": {"srresnet": 3000},
}  # fmt: skip


def test_it_tells_how_far_the_run_is_and_with_what(run):
    read = Read(report.page(*run))
    text = " ".join(read.words)
    assert read.open == []  # every tag is closed
    assert "SRResNet at step 40 of 100, saved just now, SRGAN not begun." in text and "Not measured yet" in text
    assert "Step 40 of 100" in text and "after 1:15 of training, PSNR-Y 29.50 dB" in text
    assert "2.99.1" in text and "abc123" in text


def test_it_needs_nothing_from_elsewhere_and_runs_nothing(run):
    read = Read(report.page(*run))
    assert not [tag for tag, _ in read.tags if tag in ("script", "link", "iframe", "object")]
    sources = [value for _, attributes in read.tags for name, value in attributes.items() if name in ("src", "href", "srcset")]
    assert sources and all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not any(name.startswith("on") for _, attributes in read.tags for name in attributes)
    assert "url(" not in report.STYLE and "@import" not in report.STYLE


def test_the_pictures_are_the_first_a_middle_and_the_newest_strip_and_the_comparison(run):
    read = Read(report.page(*run))
    shown = [
        (a["alt"], Image.open(io.BytesIO(base64.b64decode(a["src"].partition(",")[2])))) for tag, a in read.tags if tag == "img"
    ]
    assert [alt for alt, _ in shown] == ["Step 10", "Step 30", "Step 40", "held-out_a&b"]
    for (_, image), grey in zip(shown, (10, 30, 40, 7), strict=True):
        assert abs(np.asarray(image).astype(int) - grey).max() <= 2
    assert shown[-1][1].width == report.WIDEST


def test_the_table_of_results_has_every_measure(run):
    config, paths = run
    (paths.output / "results.json").write_text(json.dumps(RESULTS))
    text = report.page(config, paths)
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", text)]
    assert ["held-out (2)", "bicubic", "29.38", "0.7855", "<b>0.7000</b>", "27.00"] in rows
    assert ["held-out (2)", "SRResNet", "<b>∞</b>", "<b>0.8193</b>", "<b>0.7000</b>", "<b>28.00</b>"] in rows
    assert ["loss", "0.05208", "0.02909", "0.025"] in rows  # of 1/10, 1/20, 1/30, 1/40
    assert "5:05 of training" in text


def test_what_the_user_wrote_is_text_and_nothing_else(run):
    config, paths = run
    (paths.output / "results.json").write_text(json.dumps(RESULTS))
    text = report.page(config.replace(dataset=f"folder:{EVIL}"), paths)
    assert "<script" not in text and text.count("&lt;script&gt;alert(&quot;1&quot;)") >= 2


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"sets": {"held-out": {"unheard": {}}}}', "\x00"])
def test_damaged_results_and_pictures_are_told_and_the_rest_stands(run, content):
    config, paths = run
    (paths.output / "results.json").write_text(content)
    paths.sample("srresnet", 40).write_bytes(b"\x89PNG torn")
    text = report.page(config, paths)
    assert "results.json cannot be read" in text and "srresnet_step_0000040.png cannot be shown" in text
    assert text.count("<img") == 3 and 'aria-label="Loss, all steps"' in text


def test_settings_that_differ_from_the_preset_are_marked(run):
    marked = re.findall(r"<tr class=changed><td>(\w+)</td><td>(.*?)</td>", report.page(*run))
    assert marked == [("run", "mine"), ("pretrain_steps", "100"), ("gan_steps", "50")]


def test_a_run_without_a_step_is_told_in_words(tmp_path):
    with pytest.raises(SRGANError, match=r"Run quick has nothing to report yet.*Run notebook 02 first"):
        report.page(preset("quick"), Paths(tmp_path, "quick"))


def test_the_command_writes_it_where_it_is_wanted(run, tmp_path, capsys):
    _, paths = run
    arguments = ["report", "--workdir", str(paths.workdir), "--set", "run=mine", "--set", "pretrain_steps=100"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.strip() == str(paths.output / "report.html")
    assert main([*arguments, "-o", str(tmp_path / "sent" / "a.html")]) == 0
    assert "step 40 of 100" in (tmp_path / "sent" / "a.html").read_text(encoding="utf-8")
