"""Standard output and standard error that never end the work: closed, on a full disk, or of few letters."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from srgan.errors import SRGANError


class _Unfailing:
    """A stream that keeps silent where nothing can be written, and remembers why."""

    def __init__(self, stream):
        self._stream, self.error = stream, None
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # file names may hold what the console cannot print

    def write(self, text: str) -> int:
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, call, *arguments) -> None:
        try:
            call(*arguments)
        except BrokenPipeError:  # nobody reads on, as in `... | head`
            raise
        except OSError as error:
            self.error = error

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


@contextlib.contextmanager
def unfailing() -> Iterator[None]:
    """In this context printing raises nothing but BrokenPipeError; at its end SRGANError if something could not be printed."""
    _open_what_is_closed()
    with contextlib.redirect_stdout(_Unfailing(sys.stdout)) as out, contextlib.redirect_stderr(_Unfailing(sys.stderr)):
        yield
        out.flush()
    if out.error:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer
        raise SRGANError(f"Not all that was to be printed could be ({out.error.strerror}). The work itself is done.")


def _open_what_is_closed() -> None:
    """Give each standard stream that is closed (`2>&-`) to nobody: else the next file that is opened would take its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        with contextlib.suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)  # the system gives the lowest number that is free
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", closefd=False))  # noqa: SIM115
