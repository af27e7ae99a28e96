"""Every sentence of srgan/ that tells a person what to do, and the test that does it.

python -m tests.advice        prints the sentences that no test is named for
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from srgan.runs.paths import PROJECT

VERBS = (
    "add|attach|bring|choose|close|convert|copy|cut|delete|download|fetch it|free|give|go|install|lower|make|mount|move|name|"
    "open|pip|put|python|raise|remove|restore|run|save|set|shrink|start|stop|switch|take|train|try|unset|use|wait|write"
)
BEGIN = re.compile(rf"(?:or |else |if [^,:]+, |to fetch it: )?(?:{VERBS})\b", re.IGNORECASE)
HERE = "tests/test_advice.py::"
NOT_ADVICE = {
    'run must be a plain folder name, not "{}"',
    "set (images)",
    "Run {} has nothing to report yet",
    "Choose photos",
    "Choose files",
    "try { this.closest('.widget-vbox').querySelector('button').click()",
    "Copy {}",
    "go on",
    "lower right",
}
CANNOT_BE_TRIED = {  # and why
    ("srgan/runs/hosting.py", "Attach one"): "a click on the pages of Kaggle and Colab",
}
NO_ROOM = "Free some space or choose another working directory, then run the same again"
TESTS = {  # (file, sentence) -> the test that does it; without "::" in tests/test_advice.py
    ("srgan/data/benchmarks.py", "Or put the images at {}/HR and {}/LR_x4 by hand, equal names in both"): "test_benchmarks_by_hand",
    ("srgan/data/benchmarks.py", "Move it away and run the same again"): "test_benchmarks_by_hand",
    ("srgan/data/dataset.py", "Remove the folder {} and run the same again"):
        "tests/data/test_preparation.py::test_a_large_pack_is_checked_photo_by_photo",
    ("srgan/data/dataset.py", "else bring back the folder {}"): "test_a_damaged_data_set_is_brought_back",
    ("srgan/data/download.py", NO_ROOM): "test_room_for_a_download",
    ("srgan/data/fetch.py", "run the same again later to go on"): "test_a_download_goes_on",
    ("srgan/data/fetch.py", "Or fetch it by hand, in a browser, say, and put the file at {}"): "test_a_download_goes_on",
    ("srgan/data/fetch.py", "Move it away and run the same again"): "test_another_file_in_its_place",
    ("srgan/data/fetch.py", "Or put the right one there"): "test_another_file_in_its_place",
    ("srgan/data/pictures.py", "open and save it in another program"): "test_images_that_are_refused",
    ("srgan/data/pictures.py", "Cut it into parts"): "test_images_that_are_too_large",
    ("srgan/data/pictures.py", "Save it with 8 or 16 bits a channel"): "test_images_that_are_refused",
    ("srgan/data/pictures.py", "Copy or download it again"): "test_images_that_are_refused",
    ("srgan/data/pictures.py", "Save it as TIFF or JPEG in a program that develops photos"): "test_images_that_are_refused",
    ("srgan/data/pictures.py", "pip install pyvips pyvips-binary"): "test_packages_that_are_named",
    ("srgan/data/h264.py", "pip install av"): "test_packages_that_are_named",
    ("srgan/data/programs.py", "pip install av"): "tests/results/test_degraded.py::test_ffmpegs_jpegs_want_pyav",
    ("srgan/data/pictures.py", "pip install pillow-heif"): "test_packages_that_are_named",
    ("srgan/data/preparation.py", "Add photos, or lower test_fraction ({})"): "test_all_photos_held_out",
    ("srgan/data/preparation.py", NO_ROOM):
        "tests/data/test_preparation.py::test_a_full_disk_is_told_and_leaves_nothing_half_made",
    ("srgan/data/sources.py", "Lower photos, smallest_side or hr_size"): "test_too_few_photos",
    ("srgan/data/sources.py", "Install the versions in requirements.txt, or use a folder of your own"):
        "test_samples_that_are_gone",
    ("srgan/data/sources.py", "pip install -r requirements.txt"): "test_samples_that_are_gone",
    ("srgan/data/sources.py", "Make it and put photos in it, or name another"): "test_a_folder_that_is_not_there",
    ("srgan/data/sources.py", "python -m srgan fetch {}"): "tests/test_main.py::test_fetch_brings_what_prepare_then_uses",
    ("srgan/data/unpack.py", "Remove it and run the same again"): "test_an_archive_that_is_damaged",
    ("srgan/data/unpack.py", NO_ROOM):
        "test_an_archive_on_a_full_disk",
    ("srgan/presets.py", "Choose one of"): "test_presets_that_are_named",
    ("srgan/results/evaluation.py", "run notebook {} first"):
        "tests/test_main.py::test_prepare_pretrain_train_evaluate_lead_to_a_table",
    ("srgan/results/frechet_features.py", "choose one of"): "test_features_that_are_named",
    ("srgan/results/frechet_features.py", "Name the right one"):
        "tests/results/test_frechet_features.py::test_the_environment_names_the_graph_and_then_nothing_is_fetched",
    ("srgan/results/frechet_features.py", "Or name the file"):
        "tests/results/test_frechet_features.py::test_the_environment_names_the_graph_and_then_nothing_is_fetched",
    ("srgan/results/frechet_features.py", "Or take the features of another network, which give a distance of another name"):
        "tests/results/test_frechet_features.py::test_the_environment_names_the_weights_of_mobilenet",
    ("srgan/results/measuring.py", "Name their files (docs/lpips.md), or another --json"): "test_numbers_of_other_measures",
    ("srgan/results/measuring.py", "python -m srgan fetch {}"): "test_a_benchmark_to_measure",
    ("srgan/results/report.py", "Run notebook 02 first"): "test_reports",
    ("srgan/results/report.py", "run notebook 05 again.</p>"): "test_reports",
    ("srgan/results/study.py", "train both models first"):
        "tests/results/test_study.py::test_the_scores_are_those_of_the_models_on_the_held_out_photos",
    ("srgan/results/study.py", "run notebook 07 (python -m srgan study)"):
        "tests/results/test_study.py::test_by_default_the_notebook_downloads_nothing_and_scores_both_models_on_the_samples",
    ("srgan/runs/drive.py", "Mount it again and run the same again"): "test_a_drive_that_is_away",
    ("srgan/runs/event_files.py", "Free some space and run the same again"): "test_histories_on_a_full_disk",
    ("srgan/runs/history.py", "Free some space and run the same again"): "test_histories_on_a_full_disk",
    ("srgan/runs/heartbeat.py", "Remove it, or choose another run"):
        "tests/runs/test_heartbeat.py::test_a_folder_in_the_place_of_the_sign_of_life_is_told_and_goes_by_being_removed",
    ("srgan/runs/heartbeat.py", "Stop it, or wait until it has ended, or choose another run name"): "test_another_session",
    ("srgan/runs/hosting.py", "Open the notebook in Colab, which lends one, or choose the preset quick"): "test_without_a_gpu",
    ("srgan/runs/hosting.py", "open the notebook again and run it, and it goes on from its last checkpoint"):
        "tests/train/test_training.py::test_an_interrupted_run_ends_bit_for_bit_as_an_uninterrupted_one",
    ("srgan/runs/paths.py", "Free some space or choose another place, then run the same again"): "test_places_that_refuse",
    ("srgan/runs/paths.py", "choose another one"): "test_places_that_refuse",
    ("srgan/runs/paths.py", "choose another place"): "test_places_that_refuse",
    ("srgan/runs/paths.py", "Choose a shorter name"): "test_places_that_refuse",
    ("srgan/runs/paths.py", "If it is on a drive, mount it"): "test_drives_that_are_refused",
    ("srgan/runs/paths.py", "if it is new, make it (mkdir {})"): "test_drives_that_are_refused",
    ("srgan/runs/paths.py", "Choose another folder"): "test_drives_that_are_refused",
    ("srgan/runs/paths.py", "Free some space or choose another one (workdir in a notebook, --workdir in the shell)"):
        "test_a_working_directory_that_is_refused",
    ("srgan/runs/status.py", "run the next cells to {} with {}"):
        "tests/train/test_training.py::test_a_larger_total_goes_on_from_the_checkpoint",
    ("srgan/runs/weights.py", "take an earlier one"): "test_weights_that_went_wrong",
    ("srgan/runs/weights.py", "Train again or restore it"): "test_weights_that_went_wrong",
    ("srgan/runs/weights.py", "Give a file that ends in .weights.h5, or one of {}"): "test_names_of_weights",
    ("srgan/runs/weights.py", "bring those of the project back (git checkout model), or train some and name them (--model FILE)"):
        "test_weights_of_the_project_that_are_gone",
    ("srgan/runs/weights.py", "Give this run the same settings"): "test_weights_of_another_network",
    ("srgan/train/perceptual_features.py", "Or name a file"):
        "tests/train/test_perceptual_features.py::test_a_weights_file_of_ones_own_is_used_and_in_float32",
    ("srgan/train/perceptual_features.py", "Or train on pixels instead"):
        "tests/train/test_perceptual_features.py::test_pixels_need_no_features",
    ("srgan/train/replicas.py", "set batch_size to a multiple of {}, or hide some devices (CUDA_VISIBLE_DEVICES)"):
        "test_a_batch_for_two_devices",
    ("srgan/train/replicas.py", "unset it to train on this machine alone"): "test_workers_that_cannot_be_read",
    ("srgan/train/replicas.py", "start all workers again, and training goes on from it"):
        "tests/train/test_replicas.py::test_a_run_goes_on_with_another_number_of_devices",
    ("srgan/train/resuming.py", "Give all workers the same"):
        "tests/train/test_replicas.py::test_two_workers_learn_what_one_process_does",
    ("srgan/train/resuming.py", "train stage discriminator first (notebook 03, or python -m srgan train, does both in order)"):
        "tests/train/test_training.py::test_the_gan_begins_from_the_discriminator_that_learned_alone",
    ("srgan/train/resuming.py", "run notebook 02 first (python -m srgan pretrain in the shell)"):
        "tests/test_main.py::test_prepare_pretrain_train_evaluate_lead_to_a_table",
    ("srgan/train/resuming.py", "Go back to the old ones, or begin anew beside it under another name (run = \"NAME\")"):
        "test_a_checkpoint_of_other_settings",
    ("srgan/train/state.py", "Lower the learning rate and run the same again"): "test_not_a_number",
    ("srgan/train/training.py", "Run the same again to go on"):
        "tests/train/test_training.py::test_a_signal_at_any_moment_stops_with_everything_saved",
    ("srgan/upscale/export.py", "Choose one of"): "test_exports_that_are_refused",
    ("srgan/upscale/export.py", "Choose another name"): "test_exports_that_are_refused",
    ("srgan/upscale/export.py", "pip install tf2onnx onnxruntime"): "test_packages_that_are_named",
    ("srgan/upscale/image_files.py", "Choose one of {}"): "test_kinds_of_files_to_choose",
    ("srgan/upscale/image_files.py", "Choose .png"): "test_kinds_of_files_to_choose",
    ("srgan/upscale/image_files.py", "Choose .gif, .webp or .png"): "test_kinds_of_files_to_choose",
    ("srgan/upscale/image_files.py", "Choose .png, .webp or .tif"): "test_kinds_of_files_to_choose",
    ("srgan/upscale/image_files.py", "Choose .png or .tif"): "test_kinds_of_files_to_choose",
    ("srgan/upscale/size.py", "give one of them"): "test_sizes_that_are_refused",
    ("srgan/upscale/size.py", "Choose another size"): "test_sizes_that_are_refused",
    ("srgan/upscale/size.py", "Choose a smaller size, or cut it into parts"): "test_sizes_that_are_refused",
    ("srgan/upscale/strength.py", "Take weights that were (srgan and srresnet of this project), or leave out --strength"):
        "tests/upscale/test_strength.py::test_an_upscaler_of_strength_0_is_srresnet_and_of_1_the_gan",
    ("srgan/upscale/targets.py", "Choose a shorter one with -o"): "test_names_of_results",
    ("srgan/upscale/targets.py", "Choose another name"): "test_names_of_results",
    ("srgan/upscale/targets.py", "Choose another name, or overwrite it with --force"): "test_names_of_results",
    ("srgan/upscale/video.py", "pip install av"): "test_packages_that_are_named",
    ("srgan/upscale/video.py", "Choose a name that ends so"): "test_films_that_are_refused",
    ("srgan/upscale/video_frames.py", "convert it to BT.709"): "test_films_that_are_refused",
    ("srgan/upscale/video_reader.py", "Copy or download it again"): "test_films_that_are_refused",
    ("srgan/upscale/video_writer.py", "Shrink it first"): "test_films_that_are_refused",
    ("srgan/upscale/video_writer.py", "pip install av brings one"): "test_packages_that_are_named",
}  # fmt: skip


def sentences() -> Iterator[tuple[str, str]]:
    """(file, sentence) of each advice in the strings of srgan/, "{}" where something is put in; docstrings and help are none."""
    for path in sorted((PROJECT / "srgan").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        passed = {id(node.body[0].value) for node in ast.walk(tree) if _has_docstring(node)}
        passed |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            text = None if id(node) in passed else _text(node)
            for sentence in re.split(r"(?<=[.!?:;)])\s+|\n", text or ""):
                if " " in sentence.strip() and BEGIN.match(sentence) and path.name != "__main__.py":
                    yield path.relative_to(PROJECT).as_posix(), sentence.strip().rstrip(".;:")


def _has_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and bool(node.body)
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    )


def _text(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def lacking() -> list[tuple[str, str]]:
    """The sentences that no test is named for."""
    known = TESTS.keys() | CANNOT_BE_TRIED.keys()
    return [found for found in sentences() if found not in known and found[1] not in NOT_ADVICE]


if __name__ == "__main__":
    print("\n".join(" | ".join(found) for found in lacking()))
