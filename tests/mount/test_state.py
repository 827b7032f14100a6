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
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("EVENKEEL_BUILD", ROOT / "build" / "main"))
PROGRAM = BUILD / "src" / "fs" / "evenkeel-fs"
WAIT_SECONDS = 5


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="evenkeel-state-") as name:
        for each in ("data", "state", "run"):
            (pathlib.Path(name) / each).mkdir()
        yield pathlib.Path(name)


def wait_until(condition, what):
    end = time.monotonic() + WAIT_SECONDS
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
