""".ci/run: the second half on Colab's Python where the machine has it, else on the usual one, in words."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from srgan.runs.paths import PROJECT

COLAB = "CONSTRAINTS=.ci/colab.txt"


def run(tmp_path: Path, python313: int) -> tuple[str, list[str]]:
    """What .ci/run prints, and the calls of `make`; python3.13 is a stand-in that ends with `python313`."""
    for name, script in {"make": f'echo "$@" >> {tmp_path}/calls', "python3.13": f"exit {python313}"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run([PROJECT / ".ci" / "run"], env=os.environ | {"PATH": path}, capture_output=True, text=True, check=True)
    return done.stdout, (tmp_path / "calls").read_text().splitlines()


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_with_python_3_13_the_second_environment_is_made_by_it(tmp_path):
    said, calls = run(tmp_path, 0)
    assert calls == ["test", f"VENV=.venv-colab-3.13 {COLAB} PYTHON=env PYENV_VERSION=3.13 python3.13 pytest"]
    assert "No Python 3.13" not in said


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_without_it_the_second_environment_has_the_usual_python_and_that_is_said(tmp_path):
    said, calls = run(tmp_path, 127)
    assert calls == ["test", f"VENV=.venv-colab {COLAB} PYTHON=python3 pytest"]
    assert "No Python 3.13 here, which is Colab's: the rest runs on Python 3." in said
