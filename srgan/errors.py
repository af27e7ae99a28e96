"""The one exception whose message is meant for the person at the keyboard."""


class SRGANError(Exception):
    """Something the user can mend: the message says what is wrong, where, and what to do."""
