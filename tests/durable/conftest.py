"""A place of their own for these tests: private mounts and network, and one program that serves every disk (lab/disk.c)."""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "mount"), str(HERE.parents[1])]
from lab import leftovers               # noqa: E402
from lab.disks import Disks             # noqa: E402

import powered                          # noqa: E402

CLONE_NEWNS, CLONE_NEWNET, MS_REC, MS_PRIVATE = 0x20000, 0x40000000, 0x4000, 0x40000
LIBC = ctypes.CDLL(None, use_errno=True)


def pytest_configure():
    signal.signal(signal.SIGTERM, signal.default_int_handler)       # at a deadline: tidied up, and what failed is told


@pytest.fixture(scope="session")
def place():
    """(folder, disks) of this run."""
    folder = pathlib.Path(leftovers.make_folder("evenkeel-"))
    if LIBC.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 or LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        pytest.fail("needs root: private namespaces cannot be made")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    disks = Disks.start(powered.BUILD / "lab" / "evenkeel-lab-disk", folder / "disks", powered.SIZES)
    yield folder, disks
    disks.stop()
    shutil.rmtree(folder, ignore_errors=True)
