"""The static site, without its generator: its settings name every page, and pages written for GitHub become pages of the site."""

from __future__ import annotations

import importlib.util
import re

import pytest

from srgan.runs.paths import PROJECT
from tools import site

SETTINGS = (PROJECT / "mkdocs.yml").read_text(encoding="utf-8")
NAMED = re.findall(r"[\w/.-]+\.md", SETTINGS.partition("nav:")[2])


def test_the_site_names_every_page_once_and_no_other():
    docs = PROJECT / "docs"
    written = [path.relative_to(docs).as_posix() for path in docs.rglob("*.md")]
    assert sorted(NAMED) == sorted([*written, *(f"api/{room}.md" for room in site.api())])


def test_what_the_settings_name_is_there():
    for hook in re.search(r"^hooks: \[(.+?)\]", SETTINGS, re.MULTILINE)[1].split(", "):
        assert (PROJECT / hook).is_file()
    assert (PROJECT / "docs" / "requirements.txt").is_file()
    assert "run: make site" in (PROJECT / ".github/workflows/site.yml").read_text(encoding="utf-8")


def test_the_api_has_every_module_in_its_room():
    modules = [module for page in site.api().values() for module in page]
    assert all(importlib.util.find_spec(module) for module in modules)
    assert site.api()["settings"] == ["srgan.config", "srgan.errors", "srgan.losses", "srgan.presets"]
    assert "srgan.results.lessons.game" in site.api()["results"]


@pytest.mark.parametrize(
    ("page", "target", "expected"),
    [
        ("presets.md", "../srgan/config.py", "https://x/r/blob/main/srgan/config.py"),
        ("tour/01_preprocess.md", "../../notebooks/01.ipynb", "https://x/r/blob/main/notebooks/01.ipynb"),
        ("tour/01_preprocess.md", "../presets.md#top", "../presets.md#top"),
    ],
)
def test_links_that_leave_the_docs_lead_to_the_repository(page, target, expected):
    assert site.linked(f"see [it]({target}), [a](b.md)", page, "https://x/r") == f"see [it]({expected}), [a](b.md)"


def test_equations_are_written_by_the_converter_and_code_and_prices_stay():
    def mathml(latex, display):
        return f"<{display} {latex} *>"

    text = "$$a\n+ b$$\n`$x$` costs 5 $ or $y_1$ \n```\n$z$\n```\n"
    changed = site.outside_code(text, lambda part: site.equations(part, mathml))
    display = '\n\n<div style="overflow-x: auto"><block a\n+ b &#x2A;></div>\n\n'
    assert changed == f"{display}\n`$x$` costs 5 $ or <inline y_1 &#x2A;> \n```\n$z$\n```\n"
