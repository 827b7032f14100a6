"""The state folder is lost, full or read-only, and objects come from elsewhere or cannot be marked: no object is taken
for another, and the application does not see it.

    sudo pytest tests/mount/test_state.py      (EVENKEEL_BUILD=DIR; needs root, /dev/fuse, loop devices)
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from test_pair import in_time, made

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("EVENKEEL_BUILD", ROOT / "build" / "main"))
PROGRAM = BUILD / "src" / "fs" / "evenkeel-fs"
WAIT_SECONDS = 60       # an end, not a bound


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="evenkeel-state-") as name:
        for each in ("data", "state", "run"):
            (pathlib.Path(name) / each).mkdir()
        yield pathlib.Path(name)


def wait_until(condition, what, seconds=WAIT_SECONDS):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@contextlib.contextmanager
def alone(folder, module="m"):
    """The directory of a standalone server."""
    directory = folder / "data"
    with open(folder / "log", "ab") as log:
        process = subprocess.Popen([PROGRAM, "--standalone", "--module", module, "--directory", directory,
                                    "--state", folder / "state", "--run", folder / "run"], stdout=log, stderr=log)
    try:
        wait_until(lambda: process.poll() is not None or os.path.ismount(directory), "it does not mount")
        assert process.poll() is None, (folder / "log").read_text()
        yield directory
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        subprocess.run(["umount", "-l", directory], check=False, capture_output=True)


def contents(directory):
    return {each.name: each.read_text() for each in directory.iterdir() if each.is_file()}


def make_some(directory, prefix, count=5):
    for i in range(count):
        (directory / f"{prefix}{i}").write_text(f"{prefix}{i}")


WHOLE = {f"{prefix}{i}": f"{prefix}{i}" for prefix in ("old", "new") for i in range(5)}


@pytest.mark.parametrize("loss", ["slots", "all", "another name"])
def test_a_new_file_is_none_of_the_old_ones(folder, loss):
    with alone(folder) as directory:
        make_some(directory, "old")
    if loss == "slots":
        (folder / "state" / "m.fs").unlink()
    elif loss == "all":
        shutil.rmtree(folder / "state")
        (folder / "state").mkdir()
    with alone(folder, "other" if loss == "another name" else "m") as directory:
        readers = [open(directory / f"old{i}") for i in range(5)]
        make_some(directory, "new")
        assert contents(directory) == WHOLE
        assert [each.read() for each in readers] == [f"old{i}" for i in range(5)]
        for each in readers:
            each.close()
        assert len({each.stat().st_ino for each in directory.iterdir()}) == 10


@contextlib.contextmanager
def small_state(folder):
    """The state folder is a file system of its own, of 4 MiB."""
    image = folder / "state.image"
    with open(image, "wb") as file:
        os.truncate(file.fileno(), 4 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, folder / "state"], check=True)
    try:
        yield folder / "state"
    finally:
        subprocess.run(["umount", "-l", folder / "state"], check=False)


def repair(folder):
    subprocess.run(["umount", folder / "state"], check=True)
    subprocess.run(["e2fsck", "-p", folder / "state.image"], check=False, capture_output=True)
    subprocess.run(["mount", "-o", "loop", folder / "state.image", folder / "state"], check=True)


def fill(state):
    for name, size in (("filler", 65536), ("filler2", 512)):
        with open(state / name, "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)


def make_read_only(state):
    """As after an error of that disk."""
    device = os.stat(state).st_dev
    name = pathlib.Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    pathlib.Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("test")
    with pytest.raises(OSError):
        (state / "x").touch()


@pytest.mark.parametrize("spoil", [fill, make_read_only])
def test_the_disk_of_the_state_is_not_the_applications(folder, spoil):
    with small_state(folder) as state:
        with alone(folder) as directory:
            make_some(directory, "old")
            spoil(state)
            # More than fits into what LMDB has, and more than one lease of ids.
            for i in range(6000):
                os.close(os.open(directory / f"many{i}", os.O_CREAT | os.O_WRONLY))
            for i in range(0, 6000, 7):
                os.rename(directory / f"many{i}", directory / f"moved{i}")
            make_some(directory, "new")
            said = (folder / "log").read_text()
            assert said.count("m.index cannot be written") == 1
            assert len(list(directory.glob("m*"))) == 6000
        if spoil is make_read_only:
            repair(folder)
        # A new one finds everything, although nothing of that could be noted down.
        with alone(folder) as directory:
            assert {name: text for name, text in contents(directory).items() if not name.startswith("m")} == WHOLE
            (directory / "afterwards").write_text("afterwards")
            assert contents(directory)["many1"] == ""
            assert len({each.stat().st_ino for each in directory.iterdir()}) == 6011


def test_a_module_does_not_start_over_a_read_only_state(folder):
    with small_state(folder) as state:
        with alone(folder) as directory:
            make_some(directory, "old")
        make_read_only(state)
        with pytest.raises(AssertionError) as caught:
            alone(folder).__enter__()
        assert "cannot be written: Read-only file system" in str(caught.value)


def test_room_on_the_disk_of_the_state_is_used_again(folder):
    with small_state(folder) as state:
        with alone(folder) as directory:
            fill(state)
            for i in range(3000):
                os.close(os.open(directory / f"many{i}", os.O_CREAT | os.O_WRONLY))
            (state / "filler").unlink()

            def is_back():
                (directory / "x").touch()
                (directory / "x").unlink()
                return "can be written again" in (folder / "log").read_text()

            wait_until(is_back, "it stays in memory")
        assert (state / "m.index" / "boot").read_text() == "clean"


def chattr(change, *paths):
    subprocess.run(["chattr", change, *paths], check=True)


def make_unmarkable(under):
    """One file for each way in which a file takes no attribute of ours."""
    for name in ("immutable", "append", "full"):
        (under / name).write_text(name)
    number = 0
    for size in (2048, 512, 128, 32, 8, 1):
        with contextlib.suppress(OSError):
            while True:
                os.setxattr(under / "full", f"user.{number}", b"x" * size)
                number += 1
    chattr("+i", under / "immutable")
    chattr("+a", under / "append")


@pytest.fixture
def protected(folder):
    make_unmarkable(folder / "data")
    yield folder
    chattr("-i", folder / "data" / "immutable")
    chattr("-a", folder / "data" / "append")


def test_what_cannot_be_marked_is_served(protected):
    with alone(protected) as directory:
        assert contents(directory) == {name: name for name in ("immutable", "append", "full")}
        numbers = {each.name: each.stat().st_ino for each in directory.iterdir()}
        assert len(set(numbers.values())) == 3
        with pytest.raises(PermissionError), open(directory / "immutable", "a") as file:
            file.write(b"x")
        with pytest.raises(PermissionError):
            os.open(directory / "append", os.O_WRONLY)
        with pytest.raises(PermissionError):
            (directory / "immutable").unlink()
        with pytest.raises(PermissionError):
            (directory / "append").unlink()
        with open(directory / "append", "a") as log:
            log.write(" and more")
        (directory / "full").write_text("changed")
        assert contents(directory) == {"immutable": "immutable", "append": "append and more", "full": "changed"}
        os.rename(directory / "full", directory / "renamed")
    flags = subprocess.run(["lsattr", protected / "data" / "immutable", protected / "data" / "append"],
                           check=True, capture_output=True, text=True).stdout.splitlines()
    assert "i" in flags[0].split()[0] and "a" in flags[1].split()[0]
    with alone(protected) as directory:
        assert (directory / "renamed").read_text() == "changed"
        assert (directory / "renamed").stat().st_ino == numbers["full"]


def test_a_copy_of_what_cannot_be_marked(folder):
    with made() as pair:
        root, under_a, under_b = pair.a.directory, pair.a.underneath, pair.b.underneath
        make_unmarkable(under_a)

        def use():
            with open(root / "append", "a") as log:
                log.write(" and more")
            (root / "full").write_text("changed")
            (root / "folder").mkdir()
            for name in ("file", "removed", "log"):
                (root / "folder" / name).write_text(name)
            return True

        def use_what_the_copy_protects():
            (root / "folder" / "file").write_text("other")
            (root / "folder" / "log").write_text("shorter")
            (root / "folder" / "removed").unlink()
            (root / "folder" / "new").write_text("new")
            os.rename(root / "folder" / "log", root / "renamed")
            return True

        try:
            pair.connect()
            in_time(use, 10)
            pair.assert_equal()
            chattr("+i", under_b / "folder", under_b / "folder/file", under_b / "folder/removed")
            chattr("+a", under_b / "folder/log")
            in_time(use_what_the_copy_protects, 10)
            pair.assert_equal()
            assert pair.a.count("peer_failed") == 0
        finally:
            for under in (under_a, under_b):
                subprocess.run(["chattr", "-R", "-ia", under], check=False, capture_output=True)


def test_a_copy_that_is_protected_is_brought_up_to_date(folder):
    with made() as pair:
        under_b = pair.b.underneath
        (under_b / "old").mkdir()
        (under_b / "old" / "within").write_text("within")
        (under_b / "same").write_text("there")
        chattr("+i", under_b / "old" / "within", under_b / "old", under_b / "same")
        (pair.a.directory / "same").write_text("here")
        try:
            pair.connect()
            pair.assert_equal()
        finally:
            subprocess.run(["chattr", "-R", "-ia", under_b], check=False, capture_output=True)
