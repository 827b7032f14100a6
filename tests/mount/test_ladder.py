"""R10: a node that has to let go of its directories does, whoever uses them and whatever lies upon them, and says who.

    sudo pytest tests/mount/test_ladder.py      (EVENKEEL_BUILD=DIR; needs root, /dev/fuse, unshare)
"""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from test_successor import in_time, program, serving, write  # noqa: F401  (fixtures)

NOBODY = 65534


@pytest.fixture
def served():
    with serving(["the data"]) as (server, directories):
        server.folder.chmod(0o755)
        yield server, directories[0]


@contextlib.contextmanager
def running(*words, **options):
    """A process that says a line when it is where it should be."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, **options)
    try:
        assert process.stdout.readline() == "here\n"
        yield process
    finally:
        process.kill()
        process.wait()


def details(server, report):
    return [each["detail"] for each in server.reports if each["report"] == report]


def mounts_below(folder):
    """Mount points at or below the folder, as the kernel has them."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].replace("\\040", " ") for line in lines]
    return [point for point in points if point == str(folder) or point.startswith(f"{folder}/")]


def released(server, directory):
    """It is stopped by force; nothing of it is left, and the directory is plain."""
    in_time(lambda: server.stop(forced=True))
    assert mounts_below(directory) == []
    assert (directory / "kept").read_bytes() == b"here"


def test_a_directory_that_is_a_symbolic_link_is_released():
    with serving(["link"], are_links=True) as (server, directories):
        target = pathlib.Path(os.readlink(directories[0]))
        write(directories[0] / "kept", b"here")
        assert mounts_below(target) == [str(target)]
        in_time(server.stop)
        assert mounts_below(target) == []
        assert (target / "kept").read_bytes() == b"here"


def test_a_mount_upon_it_is_named_and_taken_away(served):
    server, directory = served
    write(directory / "kept", b"here")
    (directory / "below").mkdir()
    for place in (directory / "below", directory):
        subprocess.run(["mount", "-t", "tmpfs", "upon", place], check=True)
    server.order("stop", "refused")
    assert "a mount on it: tmpfs" in details(server, "refused")[-1]
    released(server, directory)


def test_who_stands_in_it_is_named_and_lives_on(served):
    server, directory = served
    write(directory / "kept", b"here")
    with running("sh", "-c", "echo here; exec sleep 600", cwd=directory, user=NOBODY) as process:
        server.order("stop", "refused")
        assert f"(process {process.pid})" in details(server, "refused")[-1]
        released(server, directory)
        assert process.poll() is None


def test_who_has_a_file_open_is_killed_and_named(served):
    server, directory = served
    write(directory / "kept", b"here")
    with running("sh", "-c", "exec 5>>open; echo here; exec sleep 600", cwd=directory) as process:
        released(server, directory)
        assert process.wait(60) == -signal.SIGKILL
        assert any(f"(process {process.pid})" in each for each in details(server, "notice"))


def test_a_copy_of_the_mount_in_another_namespace_holds_nothing_up(served):
    server, directory = served
    write(directory / "kept", b"here")
    words = ("unshare", "--mount", "--propagation", "private", "sh", "-c", "echo here; exec sleep 600")
    with running(*words, cwd=directory):
        in_time(server.stop)
        assert mounts_below(directory) == []
        assert (directory / "kept").read_bytes() == b"here"


@pytest.mark.parametrize("is_continued", [False, True], ids=["by who mounted it", "by its successor"])
def test_what_a_person_took_away_is_not_waited_for(served, is_continued):
    server, directory = served
    write(directory / "kept", b"here")
    held = os.open(directory / "kept", os.O_RDONLY)
    subprocess.run(["umount", "-l", directory], check=True)
    if is_continued:
        server.kill_and_wait()
    in_time(server.stop)
    assert (directory / "kept").read_bytes() == b"here"
    os.close(held)
