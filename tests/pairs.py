"""The same work by two processes at once, again and again: both must be right, or one told.

python -m tests.pairs --count 20 [KIND ...]
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests import work
from tests.servers import serve


def run(kind: str, pairs: int, seed: int = 0) -> tuple[int, int]:
    """How many of `pairs` ended with both right, and in how many one was told. Raises AssertionError for anything else."""
    right = told = 0
    with serve() as server, tempfile.TemporaryDirectory() as root:
        alone = work.make(Path(root) / "alone" / "work")
        process = work.start(kind, alone, server)
        process.join()
        assert process.exitcode == 0, work.said(process, alone)
        for number in range(pairs):
            folder = work.make(Path(root) / str(number) / "work")
            both = []
            for _ in range(2):
                both.append(work.start(kind, folder, server))
                time.sleep(0.05 * ((number + seed) % 4))
            for process in both:
                process.join(600)
            codes, words = [process.exitcode for process in both], "\n".join(work.said(process, folder) for process in both)
            assert 0 in codes and set(codes) <= {0, 1} and "Traceback" not in words, words
            assert not work.differing(folder, alone), f"{kind}: {work.differing(folder, alone)}"
            right, told = right + (codes == [0, 0]), told + (codes != [0, 0])
    return right, told


def _tell(kind: str, pairs: int, seed: int) -> str:
    right, told = run(kind, pairs, seed)
    return f"{right} of {pairs} pairs with both right, {told} with one told"


if __name__ == "__main__":
    work.command_line(__doc__, _tell, 20)
