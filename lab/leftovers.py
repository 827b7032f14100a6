"""The folders of test runs below /var/tmp. Each says which process it belongs to; what a run left behind that was killed
(labs, processes, control groups, mounts, loop devices, files) is removed by the next one, before it fails by them."""

import contextlib
import glob
import json
import os
import shutil
import subprocess
import tempfile

from .lab import Lab
from .process import LabError, abort, end, identity, is_alive

PLACE = "/var/tmp"
OWNER = "owner.json"


def make_folder(prefix):
    """A folder of this process, after the left-overs of dead ones."""
    clean()
    folder = tempfile.mkdtemp(prefix=prefix, dir=PLACE)
    with open(f"{folder}/{OWNER}", "w", encoding="ascii") as file:
        json.dump(identity(os.getpid()), file)
    return folder


def clean():
    for owner in glob.glob(f"{PLACE}/evenkeel-*/{OWNER}"):
        with contextlib.suppress(OSError, ValueError):      # being made, or being removed, by another run
            with open(owner, encoding="ascii") as file:
                who = json.load(file)
            if not is_alive(who):
                remove(os.path.dirname(owner))


def remove(folder):
    for file in glob.glob(f"{folder}/*/lab.json"):
        with contextlib.suppress(LabError, OSError):
            Lab(os.path.dirname(file)).down()
    for who in users(folder):
        with contextlib.suppress(LabError):
            end(who)
    for number in connections(folder):
        abort(number)
    for point in reversed(mounts("/proc/self/mountinfo", folder)):
        subprocess.run(["umount", "-l", point], check=False)
    shutil.rmtree(folder, ignore_errors=True)


def users(folder):
    """Processes with a path below the folder on their command line: nobody else starts those."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
            if os.fsencode(f"{folder}/") in file.read() and int(name) != os.getpid():
                found.append(identity(int(name)))
    return found


def lines_of(table, folder):
    with contextlib.suppress(OSError), open(table, encoding="utf-8", errors="surrogateescape") as file:
        return [line for line in file if line.split()[4].startswith(f"{folder}/")]
    return []


def mounts(table, folder):
    return [line.split()[4] for line in lines_of(table, folder)]


def connections(folder):
    """FUSE mounts below the folder, in whatever namespace. A killed run that had the server's descriptors keeps them as long
    as a thread of it waits for that server: for ever."""
    tables = glob.glob("/proc/[0-9]*/task/*/mountinfo")
    return {int(line.split()[2].split(":")[1]) for table in tables for line in lines_of(table, folder) if " - fuse." in line}
