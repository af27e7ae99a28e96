"""What a notebook shows of an exception that is meant for people."""

import pytest
from IPython.core.interactiveshell import InteractiveShell

from srgan.errors import SRGANError, Stopped


@pytest.mark.parametrize("kind", [SRGANError, Stopped])
def test_a_notebook_shows_the_sentence_alone(kind, capsys):
    shell = InteractiveShell()
    shell.user_ns |= {"kind": kind}
    result = shell.run_cell("def inner():\n    raise kind('There is no file x.')\ninner()")
    assert isinstance(result.error_in_exec, kind)
    told = "".join(capsys.readouterr()).strip()
    assert len(told.splitlines()) == 1 and "There is no file x." in told and kind.__name__ in told
