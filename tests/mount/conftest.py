"""A place of their own for the pytest programs here: private mounts, a private network, and an ext4 below everything.

What lies under the mount has to be a real file system: not every /tmp knows whiteouts. It lies in memory, as nothing here is
about what reaches a disk, and some cases give a process five seconds.
"""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from lab import leftovers, process     # noqa: E402

IMAGE_BYTES = 1 << 30
CLONE_NEWNS, CLONE_NEWNET, MS_REC, MS_PRIVATE = 0x20000, 0x40000000, 0x4000, 0x40000
LIBC = ctypes.CDLL(None, use_errno=True)


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="the long forms")


def pytest_configure():
    signal.signal(signal.SIGTERM, signal.default_int_handler)       # at a deadline: tidied up, and what failed is told


@pytest.fixture(scope="session", autouse=True)
def private_place(tmp_path_factory):
    tmp_path_factory.getbasetemp()      # where it always is: pytest tidies it up after all of this is gone
    folder = pathlib.Path(leftovers.make_folder("evenkeel-"))
    if LIBC.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 or LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        pytest.fail("needs root: private namespaces cannot be made")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    memory, point = folder / "memory", folder / "disk"
    memory.mkdir()
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={IMAGE_BYTES}", "memory", memory], check=True)
    image = memory / "image"
    with open(image, "wb") as file:
        os.truncate(file.fileno(), IMAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    subprocess.run(["mount", "-o", "loop,discard", image, point], check=True)
    before, tempfile.tempdir = tempfile.tempdir, str(point)
    yield
    tempfile.tempdir = before
    for number in leftovers.connections(str(folder)):       # whatever failed, nobody hangs in a mount of ours
        process.abort(number)
    for each in (point, memory):
        subprocess.run(["umount", "-l", each], check=False)
    shutil.rmtree(folder, ignore_errors=True)
