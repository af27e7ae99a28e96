"""The house: which rooms there are, which rooms each may use, and what an import loads."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from srgan.runs.paths import PROJECT

# Lowest first; what stands on one floor does not use each other. A room uses itself and lower floors.
FLOORS = (
    ("errors", "__init__"),
    ("config",),
    ("presets", "models"),
    ("losses",),
    ("runs",),
    ("data",),
    ("upscale",),
    ("results",),
    ("train",),
    ("__main__",),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
APART = {"__init__", "__main__", "errors"}  # beside the nine entries at most
NOTEBOOKS_ONLY = {"utils", "IPython", "ipywidgets", "google"}  # what only the notebooks' widgets may import
MODULES = sorted((PROJECT / "srgan").rglob("*.py"))


def imports(path: Path, everywhere: bool = True) -> list[tuple[int, str]]:
    """(line, module) of what the file imports; unless `everywhere`, of what runs when the file itself is imported."""
    found = []
    todo = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide the room"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
        elif everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo += ast.iter_child_nodes(node)
    return sorted(found)


def place(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def test_the_house_has_few_rooms():
    rooms = {path.stem for path in (PROJECT / "srgan").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert rooms == FLOOR.keys()
    assert len(rooms - APART) <= 9


def test_a_room_uses_only_itself_and_lower_ones():
    wrong = []
    for path in MODULES:
        room = path.relative_to(PROJECT / "srgan").parts[0].removesuffix(".py")
        for line, module in imports(path):
            _, _, used = module.partition("srgan.")
            used = used.split(".")[0]
            if module.startswith("srgan.") and used != "__version__" and used != room and FLOOR.get(used, 99) >= FLOOR[room]:
                wrong.append(f"{place(path)}:{line} imports {module}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_library_knows_nothing_of_notebooks_and_tools():
    widgets = PROJECT / "srgan" / "results" / "widgets.py"
    wrong = [
        f"{place(path)}:{line} imports {module}"
        for path in MODULES
        for line, module in imports(path, everywhere=False)
        if (module.split(".")[0] in NOTEBOOKS_ONLY and path != widgets)
    ]
    wrong += [f"{place(path)}:{line} imports {module}" for path in MODULES for line, module in imports(path)
              if module.split(".")[0] in ("utils", "tools", "tests")]  # fmt: skip
    assert not wrong, "\n" + "\n".join(wrong)


def loaded(module: str) -> list[str]:
    """All modules that a new process holds once it has imported `module`."""
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", ["srgan.config", "srgan.presets"])
def test_settings_load_neither_tensorflow_nor_what_downloads(module):
    outside = {"tensorflow", "keras", "requests", "gdown", "PIL"}
    wrong = [name for name in loaded(module) if name in outside or name.startswith("srgan.data")]
    assert not wrong, wrong


def test_the_steps_load_nothing_of_inference_downloads_and_checkpoints():
    elsewhere = ("srgan.upscale", "srgan.data.download", "srgan.data.fetch", "srgan.runs.checkpoints")
    wrong = [name for name in loaded("srgan.train.steps") if name.startswith(elsewhere)]
    assert not wrong, wrong


def test_the_map_of_the_house_in_readme_names_what_is_there():
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert all(f"`{room}/`" in readme or f"`{room}.py`" in readme for room in FLOOR.keys() - APART)
