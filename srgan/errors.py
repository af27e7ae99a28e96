"""The exceptions whose message is meant for the person at the keyboard."""


class _ForPeople:
    """In a notebook the message stands alone, without the way through the code that led to it (IPython asks for this by name)."""

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[0;31m{type(self).__name__}\x1b[0m: {self}"]


class SRGANError(_ForPeople, Exception):
    """Something the user can mend: the message says what is wrong, where, and what to do."""


class Stopped(_ForPeople, KeyboardInterrupt):
    """Training was stopped, and everything is saved."""
