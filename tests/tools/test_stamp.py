"""Set-up cells and badges are the same in every notebook, and come from one address."""

import pytest

from srgan.runs.notebook_runner import ALL, FOLDER
from srgan.runs.paths import PROJECT
from tools import stamp


def read(name: str) -> str:
    return (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ALL)
def test_a_notebook_is_committed_as_stamp_writes_it(name):
    assert stamp.stamped(name, read(name)) == read(name), "run python -m tools stamp"


def test_readme_has_the_badge_of_every_notebook():
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert all(stamp.badge(name) in readme for name in ALL)


def test_a_fork_renews_badges_and_setup_cells_from_one_place(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    for path in ("pyproject.toml", "README.md", "notebooks/setup_cell.py", *(f"notebooks/{name}.ipynb" for name in ALL)):
        (tmp_path / path).write_text((PROJECT / path).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(stamp, "PROJECT", tmp_path)
    monkeypatch.setattr(stamp, "FOLDER", tmp_path / "notebooks")
    assert stamp.stamp() == []
    ours = stamp.repository()
    project = tmp_path / "pyproject.toml"
    project.write_text(project.read_text().replace(ours, "https://github.com/somebody/fork"))
    assert len(stamp.stamp()) == len(ALL) + 1
    for path in (tmp_path / "README.md", *(tmp_path / "notebooks").glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        assert "google.com/github/somebody/fork/blob/main/notebooks/" in text
        assert ours.removeprefix("https://github.com/") not in text.replace(f"git clone {ours}", "")
    assert 'REPOSITORY = \\"https://github.com/somebody/fork\\"' in (tmp_path / "notebooks" / f"{ALL[0]}.ipynb").read_text()
