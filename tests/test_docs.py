"""README and the manual: short enough, and every link leads somewhere."""

import re

import pytest

from srgan.presets import PRESETS
from srgan.runs.paths import PROJECT

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page):
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")) if "://" not in target]
    for name, _, heading in (target.partition("#") for target in targets):
        path = page.parent / name
        assert path.exists(), name
        if heading:
            titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [title.lower().replace(" ", "-") for title in titles]


def test_readme_is_short_and_the_index_names_every_page():
    assert len((PROJECT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
    index = (PROJECT / "docs" / "index.md").read_text(encoding="utf-8")
    assert all(f"]({page.name})" in index for page in PAGES[1:] if page.name != "index.md")


def test_every_preset_has_its_row():
    page = (PROJECT / "docs" / "presets.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in page for name in PRESETS)
