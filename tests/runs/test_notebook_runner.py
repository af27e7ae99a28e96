"""The notebooks as files, and as Run all: in order, twice, on a fresh machine, and interrupted."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest

from srgan.data.catalogue import PHOTOS
from srgan.errors import SRGANError
from srgan.presets import PRESETS
from srgan.runs import notebook_runner
from srgan.runs.paths import PROJECT
from tests.exercises import answers, run_answers_too
from tools import stamp

# The real photos and the real notebooks, a small network and few steps.
TINY = {
    "preset": "quick",
    "dataset": "",
    "changes": {"pretrain_steps": 20, "gan_steps": 6, "hr_size": 48, "discriminator_filters": 4, "sample_every": 10},
    "more_steps": 4,
}


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def read(path):
    return nbformat.read(path, as_version=4)


def pictures(cell):
    return [output for output in cell.outputs if "image/png" in output.get("data", {})]


@pytest.fixture(scope="module", params=notebook_runner.SERIES)
def committed(request):
    return request.param, read(notebook_runner.FOLDER / f"{request.param}.ipynb")


def test_a_notebook_has_the_common_skeleton(committed):
    name, notebook = committed
    nbformat.validate(notebook)
    head, setup, _, parameters, start = notebook.cells[:5]
    assert head.source.startswith(f"# {name[:2]} ") and stamp.badge(name) in head.source
    assert "**What you get:**" in head.source and "**What it needs:**" in head.source
    assert setup.source == stamp.setup_cell()
    assert parameters.metadata.tags == ["parameters"]
    assert start.source.startswith("config, paths = utils.start(")
    lines = sum(len(cell.source.splitlines()) for cell in code_cells(notebook))
    assert lines <= 90
    if not name.startswith("04"):
        assert lines >= 40


def test_a_notebook_has_no_outputs(committed):
    _, notebook = committed
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code_cells(notebook))


def test_the_form_offers_the_presets_there_are(committed):
    _, notebook = committed
    offered = re.search(r"preset = .*@param (\[.*\])", notebook.cells[3].source).group(1)
    assert json.loads(offered) == list(PRESETS)


def test_the_form_offers_the_public_photos_and_takes_other_words(committed):
    _, notebook = committed
    offered, options = re.search(r"dataset = .*@param (\[.*?\]) (.*)", notebook.cells[3].source).groups()
    assert json.loads(offered) == ["", *PHOTOS] and options == "{allow-input: true}"


def test_every_notebook_offers_experiments(committed):
    _, notebook = committed
    (tries,) = [cell for cell in notebook.cells if "**To try" in cell.source]
    assert 2 <= tries.source.partition("**To try")[2].count("\n- ") <= 3


def test_every_notebook_has_exercises_with_answers_folded_away(committed):
    _, notebook = committed
    (exercises,) = [cell for cell in notebook.cells if cell.source.startswith("## Exercises")]
    assert 2 <= len(answers(notebook)) <= 3 and exercises.source.count("<summary>Answer</summary>") == len(answers(notebook))


def test_every_figure_has_words_that_say_what_to_look_at(series):
    for name, notebook in executed(series).items():
        for cell in code_cells(notebook):
            for output in pictures(cell):
                assert output.metadata["image/png"]["alt"], name


def test_the_head_tells_what_run_all_costs(committed):
    _, notebook = committed
    assert re.search(r"\*\*Run all takes:\*\* .*CPU cores.*T4", notebook.cells[0].source)


def test_links_in_notebooks_lead_somewhere(committed):
    _, notebook = committed
    for cell in notebook.cells:
        for target in re.findall(r"\]\(([\w./-]+\.(?:ipynb|md|py))[)#]", cell.source):
            assert (notebook_runner.FOLDER / target).is_file(), target


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """The working directory after the whole series ran once."""
    workdir = tmp_path_factory.mktemp("series")
    with pytest.MonkeyPatch.context() as patch:
        run_answers_too(patch)
        notebook_runner.run(TINY | {"workdir": str(workdir)}, workdir / "output" / "quick")
    return workdir


def executed(series):
    return {name: read(series / "output" / "quick" / "notebooks" / f"{name}.ipynb") for name in notebook_runner.SERIES}


def test_every_executed_notebook_has_its_figures_and_no_noise(series):
    for name, notebook in executed(series).items():
        cells = code_cells(notebook)
        assert sum(len(pictures(cell)) for cell in cells) >= 2, name
        for cell in cells:
            for output in cell.outputs:
                assert output.get("name") != "stderr", f"{name} printed to standard error: {output.text}"
                assert len(output.get("text", "").splitlines()) < 60, name


def test_training_shows_one_figure_and_one_strip_that_redraw_in_place(series):
    for name in ("02_pretrain_srresnet", "03_train_srgan", "04_continue_training"):
        (cell,) = (cell for cell in code_cells(executed(series)[name]) if "training.fit(" in cell.source)
        assert len(pictures(cell)) == 2, name


def test_the_series_leaves_what_readme_promises(series):
    run = series / "output" / "quick"
    results = json.loads((run / "results.json").read_text())
    assert set(results) >= {"sets", "preset", "commit", "machine", "seconds"}
    assert results["sets"]["held-out"]["bicubic"]["images"] == 2
    assert results["steps"] == {"srresnet": 20, "srgan": 10}
    for path in ("losses_srresnet.png", "losses_srgan.png", "comparisons/held-out_chelsea.png",
                 "samples/srresnet_step_0000010.png", "samples/srgan_step_0000010.png"):  # fmt: skip
        assert (run / path).read_bytes().startswith(b"\x89PNG"), path
    for stage in ("srresnet", "srgan"):
        assert (series / "model" / "quick" / f"{stage}.weights.h5").is_file()
        assert (series / "loss" / "quick" / f"{stage}.csv").is_file()


def contents(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_second_run_redoes_and_deletes_nothing(series):
    kept = {folder: contents(series / folder) for folder in ("data", "model")}
    rows = {path: path.read_bytes() for path in (series / "loss").rglob("*.csv")}
    output = set(contents(series / "output"))
    results = contents(series / "output")[series / "output" / "quick" / "results.json"]

    notebook_runner.run(TINY | {"workdir": str(series)}, series / "output" / "quick")

    assert {folder: contents(series / folder) for folder in ("data", "model")} == kept
    assert {path: path.read_bytes() for path in (series / "loss").rglob("*.csv")} == rows
    assert set(contents(series / "output")) == output
    assert contents(series / "output")[series / "output" / "quick" / "results.json"] == results


def test_a_notebook_before_the_one_it_needs_says_which(tmp_path):
    with pytest.raises(SRGANError, match=r"run notebook 02 first"):
        notebook_runner.execute("03_train_srgan", TINY | {"workdir": str(tmp_path)}, tmp_path / "03.ipynb")
    assert (tmp_path / "03.ipynb").is_file()


@pytest.fixture
def colab(tmp_path, monkeypatch):
    """A stand-in for Colab: the package google.colab, and a Drive that appears when it is mounted."""
    monkeypatch.setenv("PYTHONPATH", str(PROJECT / "tests" / "stand_in"))
    monkeypatch.setenv("SRGAN_DRIVE", str(tmp_path / "drive"))
    return tmp_path / "drive" / "MyDrive" / "srgan"


def test_in_colab_a_fresh_machine_goes_on_from_what_lies_on_drive(series, colab, tmp_path):
    shutil.copytree(series, colab)
    notebook_runner.execute(
        "04_continue_training", TINY | {"more_steps": 6, "workdir": str(tmp_path / "machine")}, tmp_path / "04.ipynb"
    )
    printed = "".join(output.get("text", "") for cell in code_cells(read(tmp_path / "04.ipynb")) for output in cell.outputs)
    assert f"in {tmp_path / 'machine'}, copied to {colab}" in printed
    assert "SRGAN done at step 10" in printed and "Going on from srgan-00000010.npz" in printed
    assert "Copy on Drive: just now." in printed
    for folder in (tmp_path / "machine", colab):
        assert (folder / "model" / "quick" / "checkpoints" / "srgan-00000012.npz").is_file()
    assert "srgan-00000012.npz" in (colab / "model" / "quick" / "proven.json").read_text()


def test_in_colab_the_first_notebook_leaves_the_prepared_photos_on_an_empty_drive(colab, tmp_path):
    notebook_runner.execute("01_preprocess", TINY | {"workdir": str(tmp_path / "machine")}, tmp_path / "01.ipynb")
    (manifest,) = (colab / "data").glob("samples-*/manifest.json")
    assert {path.name for path in manifest.parent.iterdir()} == {"manifest.json", "train.u8", "test.u8"}


def test_the_setup_cell_clones_the_project_where_it_is_not(tmp_path):
    if not (PROJECT / ".git").exists():
        pytest.skip("this copy of the project is no git repository to clone from")
    origin = tmp_path / "origin" / "named-otherwise"
    subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(origin)], check=True)
    empty = tmp_path / "machine"
    empty.mkdir()
    cell = stamp.setup_cell().replace(stamp.repository(), str(origin)) + "\nprint(utils.__file__)"
    done = subprocess.run([sys.executable, "-c", cell], cwd=empty, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == empty / "named-otherwise" / "utils.py"


@pytest.mark.parametrize("place", ["{name}", "datasets/{name}", "datasets/somebody/{name}"])
def test_the_setup_cell_finds_the_project_in_kaggles_input(tmp_path, place):
    attached = tmp_path / "input" / place.format(name=stamp.repository().rsplit("/", 1)[-1])
    (attached / "srgan").mkdir(parents=True)
    (attached / "utils.py").write_text("")
    (tmp_path / "working").mkdir()
    cell = stamp.setup_cell().replace("/kaggle/input", str(tmp_path / "input")) + "\nprint(utils.__file__)"
    done = subprocess.run([sys.executable, "-c", cell], cwd=tmp_path / "working", capture_output=True, text=True)
    assert done.stdout.strip() == str(attached / "utils.py"), done.stderr


def test_the_setup_cell_stops_where_cloning_fails(tmp_path):
    cell = stamp.setup_cell().replace(stamp.repository(), str(tmp_path / "nowhere"))
    done = subprocess.run([sys.executable, "-c", cell], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0 and "git" in done.stderr


def test_ctrl_c_in_a_run_saves_before_it_stops_and_the_next_run_goes_on(tmp_path):
    command = [sys.executable, "-m", "srgan", "run", "--workdir", str(tmp_path), "--set", "pretrain_steps=100000",
               "--set", "log_every=1", "--set", "hr_size=48"]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    )
    guard = threading.Timer(400, process.kill)
    guard.start()
    for line in process.stdout:
        if line.startswith("srresnet step"):
            process.send_signal(signal.SIGINT)
            break
    _, complaint = process.communicate()
    guard.cancel()
    assert process.returncode == 1
    assert "Stopped at step" in complaint and "Run the same again to go on" in complaint
    (saved,) = (tmp_path / "model" / "quick" / "checkpoints").glob("srresnet-*.npz")
    assert f"Stopped at step {int(saved.stem.split('-')[1])} of 100000" in complaint
