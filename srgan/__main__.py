"""The shell's doors to what the notebooks do: python -m srgan COMMAND --help."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from srgan import config as configuration
from srgan import presets
from srgan.data import sources
from srgan.errors import SRGANError
from srgan.runs import load_tensorflow as quiet
from srgan.runs.paths import PROJECT, Paths, open_workdir


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for an error told in words, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m srgan", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (function, add_arguments, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(function=function)
        add_arguments(command)
    options = parser.parse_args(arguments)
    try:
        if options.function is not stamp:
            quiet.load_tensorflow()
        options.function(options)
    except SRGANError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stopped:
        print(stopped or "Stopped.", file=sys.stderr)
        return 130
    return 0


def _no_arguments(command: argparse.ArgumentParser) -> None:
    """For the commands that take none."""


def _run_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--preset", default="quick", help=f"one of {', '.join(presets.PRESETS)} (default: quick)")
    _add_workdir(command)
    command.add_argument("--drive", metavar="DIR", help="a second folder, such as one on Google Drive, that keeps a copy")
    command.add_argument("--dataset", metavar="samples|folder:PATH|NAME", help="other photos than the preset's")
    _add_changes(command, "another value for any setting of srgan/config.py; may be repeated")


def _report_arguments(command: argparse.ArgumentParser) -> None:
    _run_arguments(command)
    command.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: output/<run>/report.html")


def _fetch_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("names", nargs="*", metavar="NAME", help="none: list those there are")
    _add_workdir(command)


def _frechet_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("folders", nargs=2, type=Path, metavar="FOLDER", help="a folder of images, subfolders included")
    command.add_argument("--features", default="inception", metavar="inception|mobilenet",
                         help="inception (default) gives FID, mobilenet a distance of its own")  # fmt: skip
    command.add_argument("--workdir", type=Path, default=PROJECT, metavar="DIR", help="where Inception's graph is kept")


def _study_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--varied", default="coco", metavar="DATASET", help="what Model A learns (default: coco)")
    command.add_argument("--faces", default="celeba", metavar="DATASET", help="what Model B learns (default: celeba)")
    command.add_argument("--faces-test", default="", metavar="DATASET", help="held-out faces (default: a fifth of --faces)")
    command.add_argument("--features", choices=("inception", "mobilenet"), default="inception", help="of the Fréchet distance")
    _add_workdir(command)
    command.add_argument("--docs", action="store_true", help="do nothing but write the results that are there into docs/")
    _add_changes(command, "another value for any setting of both models; may be repeated")


def _upscale_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "inputs", nargs="+", type=Path, metavar="INPUT", help="an image, a video, or a folder of them, subfolders included"
    )
    command.add_argument(
        "-o", "--out", type=Path, metavar="OUT", help="a folder, or for one input a file (default: beside the input)"
    )
    command.add_argument("--model", default="", metavar="srgan|srresnet|fast|FILE",
                         help="weights of the project, or a run's .weights.h5 (default: the best there are)")  # fmt: skip
    command.add_argument("--force", action="store_true", help="overwrite what is there")
    command.add_argument("--panels", metavar="lr,nearest,bicubic,sr,hr",
                         help="write these side by side instead; with hr the input is HR, and made smaller first")  # fmt: skip
    command.add_argument("--compare", nargs=2, metavar=("A", "B"), help="two models side by side instead of --model, in panels")
    command.add_argument("--preview", action="store_true", help="of a video the first second only")


def _export_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("weights", metavar="WEIGHTS", help="a file .weights.h5 with its card, or srgan, srresnet or fast")
    command.add_argument("--format", required=True, choices=("keras", "savedmodel", "tflite", "onnx"))
    command.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: beside the weights")
    command.add_argument("--force", action="store_true", help="overwrite what is there")


def _readme_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--results", type=Path, default=PROJECT / "output" / "quick" / "results.json", metavar="FILE")


def _ship_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", help="srgan, srresnet or fast")
    command.add_argument("weights", type=Path, metavar="FILE", help="a run's .weights.h5, its card beside it")
    command.add_argument("--photos", required=True, metavar="TEXT", help="the photos that they learned from, and their licence")


def _bench_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--quick", action="store_true", help="small networks and few rounds: a minute or two, and only a hint")
    command.add_argument("--json", type=Path, metavar="FILE", help="write all that was measured")
    command.add_argument("--markdown", type=Path, metavar="FILE", help="write the page that docs/bench.md is")
    command.add_argument("--from", type=Path, metavar="FILE", dest="source", help="measure nothing, take what --json wrote")


def _add_workdir(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--workdir", default=PROJECT, metavar="DIR", help="where data/ model/ output/ loss/ are (default: the project)"
    )


def _add_changes(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="changes", help=text)


def _changes(options: argparse.Namespace) -> dict[str, str]:
    """The settings that differ from the preset's."""
    changes = {}
    for change in options.changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise SRGANError(f"--set wants NAME=VALUE, not {change}.")
        changes[name] = value
    if getattr(options, "dataset", None):
        changes["dataset"] = options.dataset
    if "dataset" in changes:  # counted from where the command was given
        changes["dataset"] = sources.absolute(changes["dataset"], Path.cwd())
    return changes


def _open(options: argparse.Namespace) -> tuple[configuration.Config, Paths]:
    config = presets.preset(options.preset, **_changes(options))
    config = config.replace(dataset=sources.absolute(config.data.dataset, PROJECT))
    return config, open_workdir(options.workdir, config.name, options.drive)


def run(options: argparse.Namespace) -> None:
    """Notebooks 01 to 05 in order, then the table."""
    import json

    from srgan.results import evaluation
    from srgan.runs import notebook_runner as notebooks

    _, paths = _open(options)
    changes = _changes(options)
    parameters = {
        "preset": options.preset,
        "dataset": changes.pop("dataset", ""),
        "workdir": str(paths.workdir),
        "changes": changes,
    }
    notebooks.run(parameters, paths.output)
    results = json.loads((paths.output / "results.json").read_text(encoding="utf-8"))
    print(f"\n{evaluation.table(results)}\n\nPictures, curves and executed notebooks: {paths.output}")


def fetch(options: argparse.Namespace) -> None:
    """Public photos and benchmarks by name; without a name, which there are."""
    from srgan.data import benchmarks, catalogue, sources
    from srgan.data.download import human

    known = catalogue.PHOTOS | catalogue.BENCHMARKS
    unknown = [name for name in options.names if name not in known]
    if unknown:
        raise SRGANError(f"There is nothing to fetch under the name {', '.join(unknown)}. There are: {', '.join(known)}.")
    paths = open_workdir(options.workdir, "fetch")
    for name in options.names:
        is_benchmark = name in catalogue.BENCHMARKS
        print(benchmarks.fetch_benchmark(name, paths) if is_benchmark else sources.fetch_photos(name, paths.downloads))
    if not options.names:
        for name, item in known.items():
            size = item.bytes if name in catalogue.BENCHMARKS else item.file.bytes
            print(f"{name:12} {human(size):>7}  {item.about}; {item.licence}")


def prepare(options: argparse.Namespace) -> None:
    from srgan.data import prepared as data
    from srgan.upscale import ensemble

    config, paths = _open(options)
    dataset = data.prepare(config, paths, ensemble.teacher(config))
    for sentence in data.skipped(dataset):
        print(f"skipped {sentence}")
    print(f"{len(dataset.train)} photos to train on, {len(dataset.test)} held out: {dataset.folder}")


def pretrain(options: argparse.Namespace) -> None:
    _fit(options, "srresnet")


def train(options: argparse.Namespace) -> None:
    _fit(options, "discriminator", "srgan")


def _fit(options: argparse.Namespace, *stages: str) -> None:
    """Train those of `stages` that the run has."""
    from srgan.runs.progress import Progress
    from srgan.train import training

    config, paths = _open(options)
    own = [stage for stage in stages if stage in config.stages]
    for stage in own:
        training.fit(config, paths, stage, Progress())
        if stage in config.generator_stages:
            print(f"Weights: {paths.weights(stage)}")
    if not own:
        print(f"This run leaves out {' and '.join(stages)}: nothing to do.")


def evaluate(options: argparse.Namespace) -> None:
    from srgan.results import evaluation
    from srgan.runs import history

    config, paths = _open(options)
    print(evaluation.table(evaluation.evaluate(config, paths), tuple(evaluation.MEASURES)))
    for stage in config.stages:
        print(f"\n{configuration.STAGES[stage]}\n{history.summary_table(history.read(paths.history(stage)))}")
    for path in evaluation.write_comparisons(config, paths):
        print(path)


def upscale(options: argparse.Namespace) -> None:
    """Images, videos and folders of them, four times as wide and as high."""
    from srgan.upscale import files as upscaling

    models = {Path(name).name: upscaling.open_model(name) for name in options.compare or [options.model]}
    panels = upscaling.panels_of(options.panels or "sr") if options.panels or options.compare else ()
    upscaler = next(iter(models.values()))

    def work(source: Path, target: Path) -> str:
        if upscaling.is_video(source):
            return upscaling.upscale_video(source, target, upscaler, options.force, options.preview)
        if panels:
            upscaling.write_panels(source, target, panels, models, options.force)
            return ", ".join(panels)
        return upscaling.described(upscaling.upscale_file(source, target, upscaler, options.force))

    found = upscaling.find(options.inputs)
    ending = (lambda source: "_panels.png") if panels else upscaling.ending
    targets = upscaling.targets(found, options.out, ending)
    failed = upscaling.run([(source, target) for (source, _), target in zip(found, targets, strict=True)], work)
    if failed:
        raise SRGANError(f"{len(failed)} of {len(found)} failed:\n" + "\n".join(f"  {reason}" for reason in failed))


def report(options: argparse.Namespace) -> None:
    from srgan.results import report

    config, paths = _open(options)
    print(report.write(config, paths, options.output or paths.output / "report.html"))


def frechet(options: argparse.Namespace) -> None:
    from srgan.results import frechet

    print(frechet.compare(*map(frechet.folder, options.folders), options.features, options.workdir.expanduser()))


def study(options: argparse.Namespace) -> None:
    """Notebook 07, then the table."""
    from srgan.results import study
    from srgan.runs import notebook_runner as notebooks
    from tools import readme as face

    workdir = open_workdir(options.workdir, "study").workdir
    folder = workdir / "output" / "study"
    if not options.docs:
        names = ("varied", "faces", "faces_test")
        parameters = {name: sources.absolute(getattr(options, name), Path.cwd()) for name in names}
        parameters |= {"features": options.features, "workdir": str(workdir), "changes": _changes(options)}
        notebooks.execute(notebooks.STUDY, parameters, folder / "notebooks" / f"{notebooks.STUDY}.ipynb")
    print(f"\n{study.table(study.read(folder))}\n\nPictures, curves and the executed notebook: {folder}")
    if options.docs:
        print("\n".join(f"wrote {path}" for path in face.update_study(folder)))


def export(options: argparse.Namespace) -> None:
    from srgan.runs import weights
    from srgan.upscale import export as exporting

    target, difference = exporting.export(weights.find(options.weights), options.format, options.output, force=options.force)
    print(f"{target}\nLR (B, H, W, 3) in [0, 1] -> SR (B, 4 H, 4 W, 3) around [-1, 1]; at most {difference:.1g} away from Keras.")


def stamp(options: argparse.Namespace) -> None:
    from srgan.runs import notebook_runner as notebooks

    print("\n".join(f"stamped {path}" for path in notebooks.stamp()) or "Nothing to stamp.")


def readme(options: argparse.Namespace) -> None:
    from tools import readme as face

    print("\n".join(f"wrote {path}" for path in face.update(options.results)))


def ship(options: argparse.Namespace) -> None:
    from srgan.results import evaluation
    from tools import readme as face
    from tools import ship as shipping

    folders = evaluation.benchmark_folders(Paths(PROJECT, "ship"))
    path = shipping.ship(options.name, options.weights, options.photos, folders)
    print("\n".join(f"wrote {path}" for path in (path, *face.update_weights())))
    print(shipping.table())


def bench(options: argparse.Namespace) -> None:
    from srgan.runs.paths import write_atomically, write_json
    from tools import bench as benching
    from tools.bench import table

    results = benching.read(options.source) if options.source else benching.run(options.quick)
    print("\n".join(table.header(results)))
    if options.json:
        write_json(options.json, results)
    if options.markdown:
        write_atomically(options.markdown, lambda temporary: temporary.write_text(table.markdown(results), encoding="utf-8"))


COMMANDS = {
    "run": (run, _run_arguments, "run notebooks 01 to 05 in order, then print the table of results"),
    "upscale": (upscale, _upscale_arguments, "upscale images, videos and folders of them (notebook 06)"),
    "fetch": (fetch, _fetch_arguments, "fetch public photos or benchmarks by name"),
    "prepare": (prepare, _run_arguments, "prepare the photos (notebook 01)"),
    "pretrain": (pretrain, _run_arguments, "train SRResNet, or go on with it (notebook 02)"),
    "train": (train, _run_arguments, "train the GAN, or go on with it (notebooks 03 and 04)"),
    "evaluate": (evaluate, _run_arguments, "measure nearest, bicubic, SRResNet and SRGAN (notebook 05)"),
    "report": (
        report,
        _report_arguments,
        "write a run, finished or not, as one HTML file with curves, tables, strips and settings",
    ),
    "frechet": (frechet, _frechet_arguments, "measure the FID, or another Fréchet distance, between two folders of images"),
    "study": (study, _study_arguments, "train one network on varied photos and on faces, and compare (notebook 07)"),
    "export": (export, _export_arguments, "write trained weights as .keras, SavedModel, TFLite or ONNX"),
    "stamp": (stamp, _no_arguments, "write the repository's address (pyproject.toml) into notebooks and README"),
    "readme": (readme, _readme_arguments, "write results and picture of a run into README"),
    "ship": (
        ship,
        _ship_arguments,
        "bring trained weights to model/, measured, as those that come with the project",
    ),
    "bench": (bench, _bench_arguments, "measure how fast this machine trains and upscales, beside stock Keras and PyTorch"),
}

if __name__ == "__main__":
    sys.exit(main())
