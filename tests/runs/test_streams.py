"""Printing never ends the work: closed streams, a full disk, consoles of few letters, a terminal that was closed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from srgan.__main__ import COMMANDS, command_line, main
from srgan.runs.paths import PROJECT

WORK = "\n".join(["import os, sys, time", "from srgan.__main__ import command_line", "", "def work(options):", "    {}", "",
                  "sys.exit(command_line('x', '', {{'a': (work, '', [])}}, ['a']))"])  # fmt: skip


def run(body: str, shell: str = "", **environment) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", WORK.format(body)]
    if shell:
        command = ["bash", "-c", f'exec "$0" "$@" {shell}', *command]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=os.environ | environment)


@pytest.mark.parametrize("shell", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_nobodys(tmp_path, shell):
    """What is opened next must not take their numbers: what is printed would land in it."""
    body = f"open({str(tmp_path / 'a')!r}, 'w').write('mine'); print('words'); print('more', file=sys.stderr); os.write(2, b'!')"
    assert run(body, shell).returncode == 0
    assert (tmp_path / "a").read_text() == "mine"


def test_a_full_disk_under_standard_output_is_told_when_the_work_is_done(tmp_path):
    done = run(f"print('x' * 99999, flush=True); open({str(tmp_path / 'a')!r}, 'w').write('done')", "> /dev/full")
    assert (tmp_path / "a").read_text() == "done" and done.returncode == 1
    assert "Not all that was to be printed could be (No space left on device). The work itself is done." in done.stderr


def test_a_full_disk_under_standard_error_costs_nothing(tmp_path):
    assert run("print('x' * 99999, file=sys.stderr, flush=True)", "2> /dev/full").returncode == 0


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"},
                                         {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])  # fmt: skip
def test_ascii_is_enough_for_every_letter(environment):
    done = run("print('Fr\\xe9chet \\u221e \\u732b \\udcff')", **environment)
    assert done.returncode == 0 and done.stdout == "Fr\\xe9chet \\u221e \\u732b \\udcff\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_there_in_ascii(command, capsys):
    sys.stdout.reconfigure(encoding="ascii", errors="strict")
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0 and "usage: python -m srgan" in capsys.readouterr().out


@pytest.mark.parametrize("number, ignored", [(signal.SIGTERM, False), (signal.SIGHUP, False), (signal.SIGHUP, True)])
def test_a_signal_ends_the_work_unless_nohup_says_otherwise(number, ignored):
    how = f"import signal; signal.signal({int(number)}, signal.{'SIG_IGN' if ignored else 'SIG_DFL'})\n"
    code = how + WORK.format(f"os.kill(os.getpid(), {int(number)}); time.sleep(0.2); print('whole')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT)
    assert (done.returncode, done.stdout.strip()) == ((0, "whole") if ignored else (130, ""))


def test_a_command_that_fails_is_told_once(capsys):
    def work(options) -> None:
        raise ValueError("odd")

    assert command_line("x", "", {"a": (work, "", [])}, ["a"]) == 1
    assert capsys.readouterr().err.startswith("Error: ValueError: odd (SRGAN_TRACEBACK=1")
