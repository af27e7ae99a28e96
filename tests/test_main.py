"""The shell's doors: what they print, what they leave, and how they fail."""

import json

import pytest

from srgan.__main__ import main
from srgan.runs import history

TINY = ["--set", "pretrain_steps=4", "--set", "gan_steps=2", "--set", "hr_size=48", "--set", "discriminator_filters=4",
        "--set", "log_every=2"]  # fmt: skip


def test_prepare_pretrain_train_evaluate_lead_to_a_table(tmp_path, capsys):
    workdir = ["--workdir", str(tmp_path)]
    assert main(["prepare", *workdir, *TINY]) == 0
    assert "14 photos to train on, 2 held out" in capsys.readouterr().out
    assert main(["pretrain", *workdir, *TINY]) == 0
    assert main(["train", *workdir, *TINY]) == 0
    capsys.readouterr()
    assert main(["evaluate", *workdir, *TINY]) == 0
    printed = capsys.readouterr().out
    results = json.loads((tmp_path / "output" / "quick" / "results.json").read_text())
    assert results["sets"]["held-out"].pop("HR").keys() <= {"niqe", "grid", "images"} and "| HR |" in printed
    for method, values in results["sets"]["held-out"].items():
        assert method.lower() in printed.lower() and f"{values['psnr_y']:.2f}" in printed
        assert f"{values['psnr_rgb']:.2f}" in printed and f"{values['ssim_y_uniform']:.4f}" in printed
    recorded = [row["perceptual"] for row in history.read(tmp_path / "loss" / "quick" / "srgan.csv")]
    assert f"| perceptual | {sum(recorded) / len(recorded):.4g} |" in printed
    assert "| loss to step 4 (rows: 2) |" in printed and "| loss to step 2 (rows: 1) |" in printed  # SRResNet, SRGAN
    assert (tmp_path / "output" / "quick" / "comparisons" / "held-out_coffee.png").is_file()

    # Again, with a later end: it goes on, and says from where.
    assert main(["train", *workdir, *TINY, "--set", "gan_steps=4"]) == 0
    assert "Going on from srgan-00000002.npz" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["prepare", "--preset", "quik"], 'There is no preset "quik". Choose one of: quick'),
        (["prepare", "--set", "stepz=3"], "There is no setting named stepz"),
        (["prepare", "--set", "blocks"], "--set wants NAME=VALUE, not blocks"),
        (["prepare", "--set", "blocks=many"], "blocks must be a whole number, not 'many'"),
        (["prepare", "--dataset", "folder:nowhere"], "There is no folder"),
        (["prepare", "--dataset", "imagenet"], 'dataset must be "samples", "folder:PATH" or one of coco, coco-train'),
        (["fetch", "Set5", "Set6"], "There is nothing to fetch under the name Set6. There are: coco, coco-train, celeba"),
        (["train"], "run notebook 02 first"),
        (["evaluate"], "run notebook 02 first"),
    ],
)
def test_a_mistake_is_told_in_words_and_leaves_nothing(tmp_path, capsys, arguments, words):
    assert main([*arguments, "--workdir", str(tmp_path)]) == 1
    complaint = capsys.readouterr().err
    assert words in complaint and complaint.startswith("Error: ") and "Traceback" not in complaint
    assert not list(tmp_path.rglob("*.npz")) and not list(tmp_path.rglob("*partial*"))


def test_a_working_directory_that_is_a_file_is_told_in_words(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert main(["prepare", "--workdir", str(tmp_path / "file")]) == 1
    assert f"The working directory {tmp_path / 'file'} cannot be written to" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_relative_folder_counts_from_where_the_shell_stands(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert main(["prepare", "--dataset", "folder:photos", "--workdir", str(tmp_path)]) == 1
    assert f"The folder {tmp_path / 'photos'} holds no image" in capsys.readouterr().err


def test_fetch_brings_what_prepare_then_uses(tmp_path, capsys, public_set):
    assert main(["fetch", "coco", "--workdir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "data" / "downloads" / "coco")
    asked = len(public_set.asked)
    choice = ["--dataset", "coco", "--set", "photos=10", "--set", "hr_size=24", "--set", "test_fraction=0.2"]
    assert main(["prepare", "--workdir", str(tmp_path), *choice]) == 0
    assert "8 photos to train on, 2 held out" in capsys.readouterr().out and len(public_set.asked) == asked


def test_fetch_without_a_name_lists_all_there_is(capsys):
    assert main(["fetch"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == ["coco", "coco-train", "celeba", "div2k", "div2k-valid",
                                                    "Set5", "Set14", "BSD100", "Urban100"]  # fmt: skip
    assert "1.4 GB" in listed[2] and "non-commercial research only" in listed[2]
