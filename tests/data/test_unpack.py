"""Archives that cannot be trusted: what is wanted comes out whole, or nothing at all, and never anything beside the folder."""

import os
import stat
import tarfile

import pytest

from srgan.data import download
from srgan.data.unpack import unpack
from srgan.errors import SRGANError
from tests import mutations
from tests.archives import tar_of, zip_of

PHOTOS = {"set/a.jpg": b"first" * 1000, "set/b.jpg": b"second" * 1000}


def basename(member: str) -> str | None:
    return member.rsplit("/", 1)[-1] if member.endswith(".jpg") else None


def everything(folder) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def place(tmp_path):
    """A folder for the archive and what comes out of it, with a file of the user's one level up."""
    (tmp_path / "precious.jpg").write_text("mine")
    (tmp_path / "downloads").mkdir()
    return tmp_path / "downloads"


def refused(archive, place) -> str:
    """The words; and that nothing but the archive is there, inside or outside."""
    before = everything(place.parent)
    with pytest.raises(SRGANError) as told:
        unpack(archive, place / "photos", basename)
    assert everything(place.parent) == before
    assert [path.name for path in place.iterdir()] == [archive.name]
    return str(told.value)


@pytest.mark.parametrize("mode", ["zip", "w", "w:gz"])
def test_what_is_wanted_comes_out_and_nothing_else(place, mode):
    members = PHOTOS | {"set/notes.txt": b"words", "set/": b""}
    make = zip_of if mode == "zip" else lambda path, members: tar_of(path, members, mode=mode)
    archive = make(place / "archive", {name: content for name, content in members.items() if mode == "zip" or name != "set/"})
    unpack(archive, place / "photos", basename)
    assert everything(place / "photos") == {"a.jpg": PHOTOS["set/a.jpg"], "b.jpg": PHOTOS["set/b.jpg"]}
    assert sorted(path.name for path in place.iterdir()) == ["archive", "photos"]


def test_names_with_folders_are_made(place):
    unpack(zip_of(place / "a.zip", PHOTOS), place / "photos", lambda name: f"HR/{basename(name)}")
    assert sorted(everything(place / "photos")) == ["HR/a.jpg", "HR/b.jpg"]


OUTSIDE = ["../precious.jpg", "set/../../precious.jpg", "/tmp/precious.jpg", "..\\precious.jpg", "C:\\precious.jpg",
           "\\\\host\\precious.jpg", "set/.."]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_a_name_that_leads_out_of_the_folder_is_refused_even_if_nobody_wants_it(place, make, name):
    told = refused(make(place / "archive", PHOTOS | {name: b"evil"}), place)
    assert f'it holds "{name}", which leads out of the folder' in told


LINKS_OUT = ["../../precious.jpg", "/etc/passwd", "a/../../../precious.jpg"]


@pytest.mark.parametrize("target", [*LINKS_OUT, "..\\..\\precious.jpg", "C:\\precious.jpg"])
def test_a_link_out_of_a_zip_file_is_refused(place, target):
    archive = zip_of(place / "a.zip", PHOTOS, [("set/link.jpg", stat.S_IFLNK | 0o777, target)])
    assert f'"set/link.jpg -> {target}", which leads out of the folder' in refused(archive, place)


@pytest.mark.parametrize("target", LINKS_OUT)
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_out_of_a_tar_file_is_refused(place, kind, target):
    target = target.removeprefix("../") if kind == tarfile.LNKTYPE else target  # hard links count from the archive's root
    told = refused(tar_of(place / "a.tar", PHOTOS, [("set/link.jpg", kind, target)]), place)
    assert "a.tar cannot be unpacked: 'set/link.jpg'" in told


def test_links_inside_the_archive_are_no_photos(place):
    archive = zip_of(place / "a.zip", PHOTOS, [("set/link.jpg", stat.S_IFLNK | 0o777, "a.jpg")])
    unpack(archive, place / "zipped", basename)
    extra = [("set/link.jpg", tarfile.SYMTYPE, "a.jpg"), ("set/hard.jpg", tarfile.LNKTYPE, "set/a.jpg")]
    unpack(tar_of(place / "a.tar", PHOTOS, extra), place / "tarred", basename)
    assert sorted(everything(place / "zipped")) == sorted(everything(place / "tarred")) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_device_in_a_tar_file_is_refused(place, kind):
    assert "special file" in refused(tar_of(place / "a.tar", PHOTOS, [("set/device.jpg", kind, "")]), place)


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_a_device_in_a_zip_file_is_refused(place, kind):
    archive = zip_of(place / "a.zip", PHOTOS, [("set/device.jpg", kind | 0o666, "")])
    assert '"set/device.jpg", which is a device or the like' in refused(archive, place)


# A tar file has no checksum of its members' content: a flipped bit in it shows only in that of the whole file.
DAMAGES = [(name, damage) for name in ("zip", "tar", "tar.gz") for damage in ("cut", "flipped", "garbage", "empty")]


@pytest.mark.parametrize(("name", "damage"), [case for case in DAMAGES if case != ("tar", "flipped")])
def test_a_damaged_archive_is_told_with_what_to_do(place, name, damage):
    photos = {name: os.urandom(2000) for name in PHOTOS}
    path = place / f"archive.{name}"
    zip_of(path, photos) if name == "zip" else tar_of(path, photos, mode="w:gz" if name == "tar.gz" else "w")
    content = path.read_bytes()
    middle = len(content) // 3  # within the second photo
    flipped = content[:middle] + bytes([content[middle] ^ 8]) + content[middle + 1 :]
    path.write_bytes({"cut": content[:middle], "flipped": flipped, "garbage": b"\x89" * 5000, "empty": b""}[damage])
    told = refused(path, place)
    assert f"{path} cannot be unpacked: " in told and "Remove it and run the same again" in told


def test_an_encrypted_archive_is_told_in_words(place):
    archive = zip_of(place / "a.zip", PHOTOS)
    content = bytearray(archive.read_bytes())
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag "encrypted" of each member, in both of its headers
        begin = content.find(magic)
        while begin >= 0:
            content[begin + at] |= 1
            begin = content.find(magic, begin + 1)
    archive.write_bytes(content)
    assert "encrypted" in refused(archive, place)


def test_an_archive_without_the_photos_is_refused(place):
    assert "none of the photos that should be in it is there" in refused(zip_of(place / "a.zip", {"notes.txt": b""}), place)


def test_two_photos_that_would_have_one_name_are_refused(place):
    told = refused(zip_of(place / "a.zip", PHOTOS | {"other/a.jpg": b"third"}), place)
    assert 'both "set/a.jpg" and "other/a.jpg" would become a.jpg' in told


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(place, monkeypatch):
    size = sum(len(content) for content in PHOTOS.values())
    free = lambda count: lambda folder: type("Usage", (), {"free": count})  # noqa: E731
    monkeypatch.setattr(download.shutil, "disk_usage", free(size - 1))
    assert "a.zip, unpacked, takes 11 kB" in refused(zip_of(place / "a.zip", PHOTOS), place)
    monkeypatch.setattr(download.shutil, "disk_usage", free(size))
    unpack(place / "a.zip", place / "photos", basename)


def test_a_disk_that_fills_up_is_told_and_leaves_nothing_half_made(place, full_disk):
    archive = zip_of(place / "a.zip", PHOTOS)
    with full_disk(after=3000):
        told = refused(archive, place)
    assert f"{archive} could not be unpacked to {place / 'photos'} (File too large)" in told


def test_what_a_killed_process_left_does_not_get_in(place):
    (place / ".partial-photos").mkdir()
    (place / ".partial-photos" / "half.jpg").write_text("half")
    unpack(zip_of(place / "a.zip", PHOTOS), place / "photos", basename)
    assert sorted(everything(place / "photos")) == ["a.jpg", "b.jpg"] and not (place / ".partial-photos").exists()


def test_a_photo_that_lies_about_its_size_is_refused(place):
    archive = zip_of(place / "a.zip", PHOTOS)
    content = archive.read_bytes()
    for size in (len(photo) for photo in PHOTOS.values()):
        content = content.replace(size.to_bytes(4, "little"), (size + 1).to_bytes(4, "little"))
    archive.write_bytes(content)
    assert "cannot be unpacked" in refused(archive, place)


def test_the_target_of_a_link_is_read_as_far_as_a_link_can_be_long(tmp_path):
    zip_of(tmp_path / "a.zip", {"a.jpg": b"a"}, [("link.jpg", stat.S_IFLNK | 0o777, "x" * 10**7)])
    with mutations.bounded_memory():
        unpack(tmp_path / "a.zip", tmp_path / "photos", lambda name: name)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]


def test_a_planted_link_in_the_place_of_the_unfinished_folder_leads_nowhere(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    (tmp_path / ".partial-photos").symlink_to(tmp_path / "mine")
    zip_of(tmp_path / "a.zip", {"a.jpg": b"a"})
    unpack(tmp_path / "a.zip", tmp_path / "photos", lambda name: name)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]


@pytest.mark.parametrize("photos", [{"x" * 300 + ".jpg": b"x"}, {"a.jpg": b"x", "a.jpg/b.jpg": b"y"}])
def test_names_that_no_disk_takes_are_the_archives_fault(place, photos):
    archive = zip_of(place / "a.zip", photos)
    with pytest.raises(SRGANError, match=r"cannot be unpacked: .*Remove it and run the same again"):
        unpack(archive, place / "photos", lambda name: name)
    assert [path.name for path in place.iterdir()] == [archive.name]
