"""README and the manual: short enough, and every link leads somewhere."""

import re

import pytest

from srgan.presets import PRESETS
from srgan.runs.paths import PROJECT

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
TOUR = sorted((PROJECT / "docs" / "tour").glob("*.md"))


@pytest.mark.parametrize("page", PAGES + TOUR, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)  # code has no links
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]
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


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("config.py", ["Config", "adversarial_weight"]),
        ("presets.py", ["preset"]),
        ("models/networks.py", ["generator", "discriminator"]),
        ("losses.py", ["content_loss", "adversarial_loss", "discriminator_loss"]),
        ("train/steps.py", ["gan_step"]),
        ("train/training.py", ["train"]),
        ("__main__.py", ["COMMANDS"]),
    ],
)
def test_the_map_of_the_house_leads_to_definitions(path, names):
    readme, code = (PROJECT / "README.md").read_text(encoding="utf-8"), (PROJECT / "srgan" / path).read_text(encoding="utf-8")
    room, _, file = path.rpartition("/")
    assert f"`{file}`" in readme and f"`{room}/`" in readme if room else f"`{file}`" in readme
    for name in names:
        assert f"`{name}`" in readme and re.search(rf"^\s*(def |class )?{name}\b[(:]", code, re.MULTILINE), name
