"""The one reader: right values or a sentence, whatever comes; and no more memory than the file has bytes."""

from __future__ import annotations

import io
import json
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from srgan.data.dataset import MANIFEST
from srgan.results.evaluation import RESULTS
from srgan.runs import checkpoints, drive, heartbeat, outside, weights
from srgan.runs.outside import Damaged, check, parse_json, printable, read_arrays, read_json, whole
from tests import mutations

SHAPES = [checkpoints.ABOUT, weights.CARD, drive.ENTRY, heartbeat.SESSION, MANIFEST, RESULTS]
NAMES = sorted({name.removesuffix("?") for shape in SHAPES for name in shape if isinstance(name, str)})
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(NAMES)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner), max_leaves=30
)


def test_every_reader_gives_right_values_or_a_sentence_for_mutated_files():
    told = mutations.run(40)
    assert len(told) == 8 and all(sum(outcomes.values()) == 40 for outcomes in told.values())


@trying(max_examples=150, deadline=None)
@given(JSON, st.sampled_from(SHAPES))
def test_any_json_is_of_a_shape_or_told(value, shape):
    try:
        check(value, shape, "it")
    except Damaged as error:
        assert str(error).startswith("it") and str(error).isprintable()
    else:
        assert all(name in value for name in shape if isinstance(name, str) and not name.endswith("?"))


@trying(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_told(content):
    try:
        parse_json(content, outside.ANYTHING, "it")
    except Damaged as error:
        assert "is no JSON" in str(error)


@pytest.mark.parametrize("text", ["[" * 10**6, "9" * 10**5, '{"a": 1e999}', '{"a": NaN}', '{"a": true}', '{"a": 1.0}', '{"a": -1}'])
def test_numbers_and_nesting_that_cannot_be_are_told(tmp_path, text):
    (tmp_path / "file.json").write_text(text)
    with pytest.raises(Damaged):
        read_json(tmp_path / "file.json", {"a": whole()})


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "members",
    [
        [("a.npy", npy(np.zeros(3)).replace(b"(3,)", b"(13421772800,)"[:4]), 0)],
        [("a.npy", npy(np.zeros(3)).replace(b"'shape': (3,), }", b"'shape': (9**9,)"), 0)],
        [("a.npy", npy(np.zeros(10**6)), zipfile.ZIP_DEFLATED)],
        [("a.npy", npy(np.zeros(3)), 0), ("a.npy", npy(np.ones(3)), 0)],
        [("a.npy", npy(np.array(["text"])), 0)],
    ],
    ids=["header", "expression", "compressed", "twice", "text"],
)
def test_arrays_are_as_large_as_they_declare_or_told(tmp_path, members):
    with zipfile.ZipFile(tmp_path / "file.npz", "w") as archive:
        for name, content, compression in members:
            archive.writestr(name, content, compression)
    with pytest.raises(Damaged, match=r"file\.npz cannot be read"):
        read_arrays(tmp_path / "file.npz")


def test_a_small_file_that_declares_much_takes_no_memory(tmp_path):
    header = npy(np.zeros(0, np.float32)).replace(b"(0,), }" + b" " * 10, b"(25000000000,), }")
    with zipfile.ZipFile(tmp_path / "srgan-00000001.npz", "w") as archive:
        archive.writestr("a.npy", header)
    with mutations.bounded_memory():
        checkpoint, complaints = checkpoints.newest(tmp_path, "srgan")
    assert checkpoint is None and "cannot be read" in complaints[0]


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    for path in (tmp_path / "pipe.json", tmp_path / "folder.json", "/dev/zero"):
        with pytest.raises(Damaged):
            read_json(type(tmp_path)(path), outside.ANYTHING)


def test_what_a_terminal_would_act_upon_is_written_out():
    assert printable("a\x1b[31mb\nc\udcff é 猫") == r"a\x1b[31mb\nc\udcff é 猫"
    assert json.loads('"\\u001b"') not in printable("\x1b")
