"""Downloads against a server that serves well or ill: what comes out is the file, or words; nothing half has its name."""

import gzip
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from srgan.data import download
from srgan.data.fetch import RemoteFile, fetch
from srgan.errors import SRGANError
from srgan.runs.paths import PROJECT
from tests.servers import QUOTA_PAGE, drive_at, serve
from tests.waiting import wait_until

SIZE = 3 * 2**20 + 17
CONTENT = random.Random(1).randbytes(SIZE)
MD5, SHA1, SHA256 = (hashlib.new(name, CONTENT).hexdigest() for name in ("md5", "sha1", "sha256"))
CUT = 2**20 + 5  # where answers end early


@pytest.fixture
def server():
    with serve() as running:
        running.files["photos.zip"] = CONTENT
        running.cut = CUT
        yield running


def remote(server, *ways, bytes=SIZE, checksum=f"md5:{MD5}") -> RemoteFile:
    return RemoteFile("photos.zip", tuple(server.address(way, "photos.zip") for way in ways), bytes, checksum)


def drive(*identities) -> RemoteFile:
    return RemoteFile("photos.zip", tuple(f"gdrive:{identity}" for identity in identities), SIZE, f"md5:{MD5}")


def listing(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def complaint(file, folder, **keywords) -> str:
    with pytest.raises(SRGANError) as told:
        fetch(file, folder, **{"timeout": 10.0} | keywords)
    assert not (folder / file.name).exists()
    return str(told.value)


# What works ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["good", "plain", "unsized"])
@pytest.mark.parametrize("checksum", [f"md5:{MD5}", f"sha1:{SHA1}", f"sha256:{SHA256}"])
def test_a_file_arrives_whole_and_alone(server, tmp_path, way, checksum):
    server.cut = 0
    path = fetch(remote(server, way, checksum=checksum), tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "photos.zip" and path.read_bytes() == CONTENT
    assert listing(path.parent) == ["photos.zip"]


def test_a_file_that_is_there_is_checked_but_not_fetched_again(server, tmp_path):
    file = remote(server, "good")
    fetch(file, tmp_path)
    assert fetch(file, tmp_path).read_bytes() == CONTENT
    assert server.ranges("photos.zip") == [""]


def test_a_file_put_there_by_hand_is_used_though_no_server_is_up(tmp_path):
    (tmp_path / "photos.zip").write_bytes(CONTENT)
    file = RemoteFile("photos.zip", ("http://127.0.0.1:9/photos.zip",), SIZE, f"md5:{MD5}")
    assert fetch(file, tmp_path) == tmp_path / "photos.zip"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (CONTENT[:-1], f"it has {SIZE - 1:,} bytes, not {SIZE:,}"),
        (bytes(SIZE), f"its md5 is {hashlib.md5(bytes(SIZE)).hexdigest()}, not {MD5}"),
        (b"\n<!doctype HTML><html>sign in", "it is a web page"),
    ],
)
def test_another_file_put_there_is_named_and_left_alone(server, tmp_path, content, words):
    (tmp_path / "photos.zip").write_bytes(content)
    with pytest.raises(SRGANError) as told:
        fetch(remote(server, "good"), tmp_path)
    assert words in str(told.value) and f"{tmp_path / 'photos.zip'} is not the file" in str(told.value)
    assert (tmp_path / "photos.zip").read_bytes() == content and server.asked == []


def test_a_folder_in_its_place_is_named_and_left_alone(server, tmp_path):
    (tmp_path / "photos.zip").mkdir()  # as a browser makes it that unpacks what it fetches
    with pytest.raises(SRGANError, match=r"photos\.zip is not the file that it should be: it is a folder"):
        fetch(remote(server, "good"), tmp_path)


def test_a_gzip_file_is_not_unpacked_on_its_way(server, tmp_path):
    packed = gzip.compress(CONTENT, 1)
    server.files["graph.tgz"] = packed
    file = RemoteFile("graph.tgz", (server.address("encoded", "graph.tgz"),), 0, f"sha256:{hashlib.sha256(packed).hexdigest()}")
    assert fetch(file, tmp_path).read_bytes() == packed


# Without a checksum -------------------------------------------------------------------------------------------------


def test_where_no_checksum_is_published_the_one_found_is_said_kept_and_believed_from_then_on(server, tmp_path, capsys):
    file = remote(server, "good", checksum="")
    fetch(file, tmp_path)
    assert SHA256 in capsys.readouterr().out
    assert (tmp_path / "photos.zip.sha256").read_text() == f"{SHA256}  photos.zip\n"

    (tmp_path / "photos.zip").write_bytes(bytes(SIZE))  # the size alone would not tell
    with pytest.raises(SRGANError, match=f"its sha256 is .*, not {SHA256}"):
        fetch(file, tmp_path)
    (tmp_path / "photos.zip").unlink()
    assert f"not {SHA256}" in complaint(remote(server, "wrong", checksum=""), tmp_path)
    fetch(file, tmp_path)


def test_where_neither_checksum_nor_size_is_published_nothing_is_believed(server, tmp_path):
    assert "neither size nor checksum" in complaint(remote(server, "good", bytes=0, checksum=""), tmp_path)
    assert listing(tmp_path) == []


# Resuming -----------------------------------------------------------------------------------------------------------


def test_a_broken_connection_is_taken_up_where_it_broke_off(server, tmp_path):
    fetch(remote(server, "breaks"), tmp_path)
    asked = server.ranges("photos.zip")
    begun = [int(wanted.removeprefix("bytes=").removesuffix("-") or 0) for wanted in asked]
    assert len(begun) == 4 and begun == sorted(set(begun)) and begun[0] == 0
    assert begun[1] > CUT - 2**18  # of what had come, less than a chunk came again


def test_what_a_killed_process_has_fetched_is_not_fetched_again(server, tmp_path):
    code = f"from pathlib import Path; from srgan.data.fetch import *; fetch({remote(server, 'stalls')!r}, Path({str(tmp_path)!r}))"
    child = subprocess.Popen([sys.executable, "-c", code], cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    partial = tmp_path / ".partial-photos.zip"
    wait_until(lambda: partial.exists() and partial.stat().st_size > CUT - 2**18, alive=lambda: child.poll() is None)
    child.send_signal(signal.SIGKILL)
    child.wait()
    left = partial.stat().st_size
    assert left < SIZE and [name for name in listing(tmp_path) if "lock" not in name] == [".partial-photos.zip"]
    assert fetch(remote(server, "good"), tmp_path).read_bytes() == CONTENT
    assert server.ranges("photos.zip") == ["", f"bytes={left}-"]
    assert listing(tmp_path) == ["photos.zip"]


@pytest.mark.parametrize(
    ("way", "asked"),
    [
        ("good", ["bytes=1000-"]),
        ("plain", ["bytes=1000-"]),  # and all of it comes
        ("elsewhere", ["bytes=1000-", ""]),
    ],
)
def test_what_was_left_is_completed_as_the_server_allows(server, tmp_path, way, asked):
    (tmp_path / ".partial-photos.zip").write_bytes(CONTENT[:1000])
    assert fetch(remote(server, way), tmp_path).read_bytes() == CONTENT
    assert server.ranges("photos.zip") == asked


def test_one_mirror_goes_on_from_what_another_has_given(server, tmp_path):
    fetch(remote(server, "plain_breaks", "good"), tmp_path)
    first, *others = server.ranges("photos.zip")
    assert first == "" and others[-1].startswith("bytes=") and int(others[-1][6:-1]) >= CUT - 2**18


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * SIZE, b"x" * (SIZE + 9), CONTENT + b"x"])
@pytest.mark.parametrize("size", [0, SIZE])
def test_garbage_that_was_left_is_not_blamed_on_the_mirror(server, tmp_path, left, size):
    (tmp_path / ".partial-photos.zip").write_bytes(left)
    assert fetch(remote(server, "good", bytes=size), tmp_path).read_bytes() == CONTENT
    assert listing(tmp_path) == ["photos.zip"]


@pytest.mark.parametrize("size", [0, SIZE])
def test_all_that_was_left_unchecked_is_checked_and_used(server, tmp_path, size):
    (tmp_path / ".partial-photos.zip").write_bytes(CONTENT)
    assert fetch(remote(server, "good", bytes=size), tmp_path).read_bytes() == CONTENT
    assert server.ranges("photos.zip") == ([] if size else [f"bytes={SIZE}-"])


# Mirrors that fail --------------------------------------------------------------------------------------------------

FAULTS = {
    "missing": "HTTP 404 Not Found",
    "busy": "HTTP 503 Service Unavailable",
    "page": "a web page instead of the file (Google Drive - Quota exceeded)",
    "wrong": f"its md5 is {hashlib.md5(bytes(SIZE)).hexdigest()}, not {MD5}",
    "other": f"it offers {SIZE + 4:,} bytes, not {SIZE:,}",
    "more": f"it sends more than the {SIZE:,} bytes of the file",
    "plain_breaks": "IncompleteRead",
    "stalls": "Read timed out",
    "disguised_page": f"it offers {len(QUOTA_PAGE)} bytes, not {SIZE:,}",
}


@pytest.mark.parametrize("way", FAULTS)
def test_the_next_mirror_is_asked_and_what_the_first_said_is_told(server, tmp_path, way, capsys):
    path = fetch(remote(server, way, "good"), tmp_path, timeout=1.0 if way == "stalls" else 10.0)
    assert path.read_bytes() == CONTENT and listing(tmp_path) == ["photos.zip"]
    printed = capsys.readouterr().out
    assert FAULTS[way] in printed and printed.count("Fetching photos.zip, 3.1 MB, from 127.0.0.1") == 2


def test_when_all_mirrors_fail_each_is_named_with_what_it_said_and_what_to_do_by_hand(server, tmp_path):
    file = remote(server, "missing", "busy", "wrong")
    told = complaint(file, tmp_path)
    for way, address in zip(("missing", "busy", "wrong"), file.mirrors, strict=True):
        assert f"{address}: {FAULTS[way]}" in told
    assert f"put the file at {tmp_path / 'photos.zip'}" in told
    assert listing(tmp_path) == []


def test_a_page_that_calls_itself_a_file_is_told_from_one(server, tmp_path):
    assert "it is a web page" in complaint(remote(server, "disguised_page", bytes=0), tmp_path)
    assert listing(tmp_path) == []


def test_an_end_that_looks_regular_is_found_by_size_or_checksum(server, tmp_path):
    assert f"broke off after {CUT:,} of {SIZE:,} bytes" in complaint(remote(server, "unsized"), tmp_path)
    other = tmp_path / "other"
    assert f"not {MD5}" in complaint(remote(server, "unsized", bytes=0), other)
    assert listing(other) == []


def test_silence_ends_after_the_timeout_and_what_came_is_kept(server, tmp_path):
    told = complaint(remote(server, "stalls"), tmp_path, timeout=1.0)
    assert "Read timed out" in told and not server.given_up
    assert listing(tmp_path) == [".partial-photos.zip"]
    kept = (tmp_path / ".partial-photos.zip").read_bytes()
    assert CUT - 2**18 < len(kept) <= CUT and kept == CONTENT[: len(kept)]


def test_a_server_that_is_not_there_is_told_in_words(tmp_path):
    file = RemoteFile("photos.zip", ("http://127.0.0.1:9/photos.zip",), SIZE, f"md5:{MD5}")
    told = complaint(file, tmp_path)
    assert "http://127.0.0.1:9/photos.zip: " in told and "Connection refused" in told and " at 0x" not in told


def test_a_mirror_that_breaks_off_for_ever_is_given_up(server, tmp_path):
    server.cut = 2**18
    assert "IncompleteRead" in complaint(remote(server, "breaks"), tmp_path)
    assert len(server.asked) == download.ATTEMPTS


def test_a_mirror_that_brings_nothing_more_is_not_asked_a_third_time(server, tmp_path):
    complaint(remote(server, "plain_breaks"), tmp_path)
    assert len(server.asked) == 2


# The disk -----------------------------------------------------------------------------------------------------------


def test_a_disk_that_is_too_small_is_told_before_anything_is_asked_for(server, tmp_path, monkeypatch):
    usage = lambda folder: type("Usage", (), {"free": SIZE + 99})  # noqa: E731
    monkeypatch.setattr(download.shutil, "disk_usage", usage)
    told = complaint(remote(server, "good"), tmp_path, room=100)
    assert "photos.zip, fetched and unpacked, takes 3.1 MB" in told and f"the disk of {tmp_path} has 3.1 MB free" in told
    assert server.asked == []
    fetch(remote(server, "good"), tmp_path, room=99)


def test_where_no_size_is_published_the_servers_word_is_held_against_the_disk(server, tmp_path, monkeypatch):
    usage = lambda folder: type("Usage", (), {"free": SIZE - 1})  # noqa: E731
    monkeypatch.setattr(download.shutil, "disk_usage", usage)
    assert "takes 3.1 MB" in complaint(remote(server, "good", bytes=0), tmp_path)
    assert listing(tmp_path) == []


def test_a_disk_that_fills_up_is_told_and_what_fits_is_gone_on_from(server, tmp_path, full_disk):
    with full_disk(after=2**20):
        told = complaint(remote(server, "good", "plain"), tmp_path)
    assert f"{tmp_path / 'photos.zip'} could not be written (File too large)" in told
    assert server.ranges("photos.zip") == [""]  # no other mirror can help
    left = (tmp_path / ".partial-photos.zip").stat().st_size
    assert 2**19 < left <= 2**20
    assert fetch(remote(server, "good"), tmp_path).read_bytes() == CONTENT
    assert server.ranges("photos.zip") == ["", f"bytes={left}-"]


def test_a_folder_that_cannot_be_made_is_told_in_words(server, tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(SRGANError, match=r"photos\.zip could not be written \((Not a directory|File exists)\)"):
        fetch(remote(server, "good"), tmp_path / "data")


# Google Drive: the real gdown against a server in Drive's place -------------------------------------------------------


@pytest.fixture
def drive_server(server):
    for identity in ("good", "stalls", "breaks", "page", "plain"):
        server.files[identity] = CONTENT
    with drive_at(server):
        yield server


def test_drive_gives_the_file_after_its_page_of_confirmation(drive_server, tmp_path):
    assert fetch(drive("good"), tmp_path).read_bytes() == CONTENT
    assert listing(tmp_path) == ["photos.zip"]
    assert [path for path, _ in drive_server.asked] == ["/drive_uc/good", "/drive_download/good"]


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        ("quota", "Too many users have viewed or downloaded this file recently"),
        ("page", "it is a web page"),  # under the file's name
        ("stalls", "timed out"),
        ("forbidden", ""),  # in gdown's own words
    ],
)
def test_when_drive_fails_the_next_mirror_is_asked_and_its_words_are_told(drive_server, tmp_path, identity, words, capsys):
    file = drive(identity, "good")
    assert fetch(file, tmp_path, timeout=1.0).read_bytes() == CONTENT
    assert not drive_server.given_up
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("That failed: ")]
    assert len(said) == 1 and words in said[0] and len(said[0]) > 20


def test_a_quota_page_is_no_reason_to_throw_away_what_came(drive_server, tmp_path):
    told = complaint(drive("stalls", "quota"), tmp_path, timeout=1.0)
    assert "https://drive.google.com/uc?id=stalls: " in told and "https://drive.google.com/uc?id=quota: " in told
    (part,) = tmp_path.iterdir()
    assert part.name.startswith(".partial-drive-photos.zip") and 2**18 < part.stat().st_size <= CUT
    left = part.stat().st_size
    assert fetch(drive("good"), tmp_path).read_bytes() == CONTENT
    assert drive_server.asked[-1] == ("/drive_download/good", f"bytes={left}-")
    assert listing(tmp_path) == ["photos.zip"]


def test_a_broken_connection_to_drive_is_taken_up_where_it_broke_off(drive_server, tmp_path):
    assert fetch(drive("breaks"), tmp_path).read_bytes() == CONTENT
    begun = [int(asked[6:-1] or 0) for path, asked in drive_server.asked if path == "/drive_download/breaks" and asked]
    assert len(begun) >= 3 and begun == sorted(set(begun)) and begun[0] > CUT - 2**19
    assert listing(tmp_path) == ["photos.zip"]


@pytest.mark.parametrize("identity", ["good", "plain"])
def test_garbage_that_gdown_left_is_not_blamed_on_drive(drive_server, tmp_path, identity):
    (tmp_path / ".partial-drive-photos.zipabcdefgh.part").write_bytes(b"x" * 1000)
    assert fetch(drive(identity), tmp_path).read_bytes() == CONTENT
    assert listing(tmp_path) == ["photos.zip"]


def test_a_whole_file_that_gdown_left_unchecked_is_checked_and_used(drive_server, tmp_path):
    (tmp_path / ".partial-drive-photos.zip").write_bytes(CONTENT)
    assert fetch(drive("good"), tmp_path).read_bytes() == CONTENT
    assert listing(tmp_path) == ["photos.zip"]


def test_a_disk_that_fills_up_while_gdown_writes_is_told(drive_server, tmp_path, full_disk):
    with full_disk(after=2**20):
        told = complaint(drive("good", "good"), tmp_path)
    assert "photos.zip could not be written (File too large)" in told
    assert [path for path, _ in drive_server.asked].count("/drive_uc/good") == 1


def test_gdown_leaves_nothing_in_the_home_folder(drive_server, tmp_path):
    cookies = os.path.expanduser("~/.cache/gdown/cookies.txt")
    before = os.path.exists(cookies) and os.stat(cookies).st_mtime_ns
    fetch(drive("good"), tmp_path)
    assert (os.path.exists(cookies) and os.stat(cookies).st_mtime_ns) == before


# Servers and neighbours that mean no good --------------------------------------------------------------------------


def test_a_server_that_drips_is_given_up(server, tmp_path, monkeypatch):
    class Dripping:
        def read1(self, most, decode_content):
            time.sleep(0.01)
            return b"x"

    with pytest.raises(download.BrokenOff, match=r"only \d+ bytes in"):
        list(download._chunks(Dripping(), timeout=0.1))


def test_a_file_of_unknown_size_has_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MOST_UNTOLD", 1000)
    with pytest.raises(download.MirrorError, match="more than the 1,000 bytes"):
        download._append(tmp_path / "file", iter([b"x" * 600] * 3), 0, 0)


@pytest.mark.parametrize("length", ["9" * 5000, "²", "-1", "1e9", ""])
def test_a_length_that_cannot_be_is_none(length):
    response = SimpleNamespace(status_code=200, headers={"Content-Length": length}, reason="OK")
    assert download._span(response, 0) == (0, 0)


def test_a_planted_link_is_not_followed(server, tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ".partial-photos.zip").symlink_to(tmp_path / "mine")
    with pytest.raises(SRGANError, match="could not be"):
        fetch(remote(server, "good"), tmp_path / "folder")
    assert (tmp_path / "mine").read_text() == "mine"


def test_escape_sequences_in_a_servers_title_are_written_out():
    assert download._title(b"<title>\x1b]0;evil\x07 quota</title>") == r" (\x1b]0;evil\x07 quota)"


def test_a_record_of_a_checksum_that_is_none_is_as_good_as_missing(tmp_path):
    (tmp_path / "photos.zip").write_bytes(CONTENT)
    (tmp_path / "photos.zip.sha256").write_bytes(b"\xff\xfe\0" * 9)
    assert fetch(RemoteFile("photos.zip", ("http://127.0.0.1:9/photos.zip",), SIZE), tmp_path).read_bytes() == CONTENT
    assert (tmp_path / "photos.zip.sha256").read_text().startswith(SHA256)
