"""Every kind of image and film in, the right kind out or a sentence: docs/inputs.md, by `python -m tests.inputs`, is true."""

from __future__ import annotations

import re

import pytest

from srgan.runs.paths import PROJECT
from tests import inputs

PAGE = (PROJECT / "docs" / "inputs.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    films = inputs.film_outcomes(tmp_path_factory.mktemp("films"))
    return films | inputs.outcomes(tmp_path_factory.mktemp("inputs"), inputs.small_network())


@pytest.mark.parametrize("name", [*inputs.FILMS, *inputs.INPUTS])
def test_what_becomes_of(name, told):
    (row,) = re.findall(rf"^\| {re.escape(name)} \| [^|]* \| (.*) \|$", PAGE, re.MULTILINE)
    reasons = re.compile(r" \([^)]*\)")  # in the words of a library, which change with its version
    assert reasons.sub("", row) == reasons.sub("", told[name])


def test_the_page_has_no_other_rows():
    assert PAGE.count("\n| ") == len(inputs.FILMS) + len(inputs.INPUTS) + 2
