"""The maintainers' commands: python -m tools COMMAND --help."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from srgan.__main__ import Commands, argument, command_line
from srgan.runs.load_tensorflow import load_tensorflow
from srgan.runs.paths import PROJECT, Paths, write_json


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 1 for an error told in words, 130 after Ctrl-C."""
    return command_line("python -m tools", "What only maintainers run.", COMMANDS, arguments)


def bench(options: argparse.Namespace) -> None:
    """Measure, or read what was measured, and print or write it."""
    load_tensorflow()
    from tools import bench, readme
    from tools.bench import table

    results = (
        bench.read(options.source) if options.source else bench.run("quick" if options.quick else "gpu" if options.gpu else "whole")
    )
    print("\n".join(table.header(results)))
    if options.json:
        write_json(options.json, results)
    if options.markdown:
        readme.write_between(options.markdown, table.mark(results), table.markdown(results))


def flicker(options: argparse.Namespace) -> None:
    """How restless a film becomes."""
    load_tensorflow()
    from tools import flicker

    print(flicker.table(options.video, options.methods, options.frames))


def readme(options: argparse.Namespace) -> None:
    """A run's table and picture."""
    load_tensorflow()
    from tools import readme

    _tell("wrote", readme.update(options.results))


def ship(options: argparse.Namespace) -> None:
    """Weights into model/, then the table of all that are there."""
    load_tensorflow()
    from srgan.results import evaluation, scores
    from srgan.runs import weights
    from tools import readme, ship, weights_page

    folders = evaluation.benchmark_folders(Paths(PROJECT, "ship"))
    source = options.weights or weights.find(options.name)
    everything = not scores.left_out(scores.Judge(evaluation.SHOWN).keys)
    target = ship.ship(options.name, source, options.photos, folders, weights_page.KEPT if everything else None)
    _tell("wrote", [target, *readme.update_weights()])
    print(ship.table())
    print(scores.left_out(weights.card(target)["scores"][ship.LOOKS]))


def stamp(options: argparse.Namespace) -> None:
    """The repository's address."""
    from tools import stamp

    _tell("stamped", stamp.stamp())


def tour(options: argparse.Namespace) -> None:
    """The notebooks, run, as pages."""
    load_tensorflow()
    from tools import tour

    _tell("wrote", tour.make(options.executed))


def study_docs(options: argparse.Namespace) -> None:
    """The table and the curves of a study that was run."""
    load_tensorflow()
    from tools import readme

    _tell("wrote", readme.update_study(options.folder))


def weights_page(options: argparse.Namespace) -> None:
    """The tables and figures of docs/weights.md."""
    load_tensorflow()
    from srgan.results import evaluation
    from tools import weights_page

    folders = evaluation.benchmark_folders(Paths(PROJECT, "weights-page"))
    _tell("wrote", weights_page.update(folders, sets=tuple(options.sets.split(","))))


def degraded_page(options: argparse.Namespace) -> None:
    """The tables of docs/degraded.md."""
    load_tensorflow()
    from srgan.results import evaluation
    from tools import degraded_page

    folders = evaluation.benchmark_folders(Paths(PROJECT, "degraded-page"))
    _tell("wrote", degraded_page.update(folders, tuple(options.sets.split(","))))


def details(options: argparse.Namespace) -> None:
    """The sheet of details."""
    load_tensorflow()
    from srgan.results import evaluation
    from tools import details

    folders = evaluation.benchmark_folders(Paths(PROJECT, "details"))
    places = tuple(options.places.split(",")) if options.places else ()
    target, names = options.output or details.SHEET, tuple(options.methods) or details.NAMES
    _tell("wrote", [details.make(folders, target, names, places, options.degradation)])


def mean(options: argparse.Namespace) -> None:
    """Several weights as one."""
    load_tensorflow()
    from tools.mean import mean

    _tell("wrote", [mean(options.weights, options.output, options.shares)])


def _tell(verb: str, paths: list[Path]) -> None:
    print("\n".join(f"{verb} {path}" for path in paths) or "Nothing to change.")


COMMANDS: Commands = {
    "bench": (
        bench, "measure how fast this machine trains and upscales, beside stock Keras and PyTorch",
        [
            argument("--quick", action="store_true", help="small networks and few rounds: a minute or two, and only a hint"),
            argument("--gpu", action="store_true", help="what a GPU is for, in some ten minutes (docs/gpu.md)"),
            argument("--json", type=Path, metavar="FILE", help="write all that was measured"),
            argument("--markdown", type=Path, metavar="FILE", help="the page to write the tables into: docs/bench.md"),
            argument("--from", type=Path, metavar="FILE", dest="source", help="measure nothing, take what --json wrote"),
        ],
    ),
    "flicker": (
        flicker, "measure what flickers in the still regions of a film after upscaling, beside bicubic",
        [
            argument("video", type=Path, metavar="VIDEO"),
            argument("methods", nargs="+", metavar="METHOD", help="as for `python -m srgan measure`"),
            argument("--frames", type=int, default=50, metavar="COUNT", help="how many of its first frames (default: 50)"),
        ],
    ),
    "mean": (
        mean, "write the mean of several weights of one network, whose card is the last one's",
        [
            argument("weights", nargs="+", type=Path, metavar="FILE", help="a .weights.h5, its card beside it"),
            argument("--shares", nargs="+", type=float, metavar="SHARE", help="how much of each, 1 together (default: equal)"),
            argument("-o", "--output", required=True, type=Path, metavar="FILE", help="the .weights.h5 to write"),
        ],
    ),
    "readme": (
        readme, "write a run's table into README and its picture into docs/",
        [argument("--results", type=Path, default=PROJECT / "output" / "quick" / "results.json", metavar="FILE")],
    ),
    "ship": (
        ship, "bring trained weights to model/, measured, as those that come with the project",
        [
            argument("name", help="the weights in model/ that they become: `srgan`, `photo` ..."),
            argument("weights", type=Path, nargs="?", metavar="FILE",
                     help="a run's .weights.h5, its card beside it (default: those that are in model/, to measure them anew)"),
            argument("--photos", default="", metavar="TEXT",
                     help="the photos that they learned from, and their licence (default: what the card says)"),
        ],
    ),
    "weights-page": (
        weights_page, "measure all methods, those of others, the dial and the ensemble, and write them into docs/weights.md",
        [argument("--sets", default="Set14,BSD100", metavar="SET,SET", help="benchmarks; the first has the figures")],
    ),
    "degraded-page": (
        degraded_page, "measure all methods on sets under nine degradations, and write them into docs/degraded.md",
        [argument("--sets", default="Set14,data/held-out", metavar="SET,SET",
                  help="as for `python -m srgan measure`; the slowest network of others meets the first alone")],
    ),
    "details": (
        details, "write a sheet of 20 enlarged details, docs/details.jpg",
        [
            argument("methods", nargs="*", metavar="METHOD", help="as for `srgan measure` (default: bicubic srresnet srgan)"),
            argument("--places", metavar="WHAT,WHAT", help="only these, as `face,letters`"),
            argument("--degradation", default="", metavar="NAME", help="what LR suffers, as `jpeg60` (docs/degraded.md)"),
            argument("-o", "--output", type=Path, metavar="FILE", help="another place for the sheet"),
        ],
    ),
    "stamp": (stamp, "write the repository's address (pyproject.toml) into notebooks and README", []),
    "tour": (
        tour, "run all notebooks and write them as pages with their pictures into docs/tour/",
        [argument("--executed", type=Path, metavar="DIR", help="a folder of notebooks that were run before")],
    ),
    "study-docs": (
        study_docs, "write the results of `srgan study` into docs/study.md",
        [argument("--folder", type=Path, default=PROJECT / "output" / "study", metavar="DIR", help="what the study wrote")],
    ),
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
