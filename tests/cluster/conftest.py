"""Deadlines, evidence and labs for the cluster tests.

A case has 120 s unless it says `@pytest.mark.deadline(S)`. When it fails, what explains it is copied to
$EVENKEEL_EVIDENCE (default /var/tmp/evenkeel-evidence) under the case's name. `--soak` makes the long forms long.
"""
import os
import pathlib
import re
import shutil
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness      # noqa: E402
from lab import leftovers      # noqa: E402

EVIDENCE = pathlib.Path(os.environ.get("EVENKEEL_EVIDENCE", "/var/tmp/evenkeel-evidence"))


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="long forms: 5 minutes of saturation, 20 kills of each process")


def pytest_configure(config):
    signal.signal(signal.SIGTERM, signal.default_int_handler)       # at a deadline: tidied up, and what failed is told
    config.addinivalue_line("markers", "deadline(seconds): the case fails after so long (120)")


@pytest.fixture(autouse=True)
def deadline(request):
    mark = request.node.get_closest_marker("deadline")
    seconds = mark.args[0] if mark else 120

    def on_alarm(*_):
        raise TimeoutError(f"the case is not over after {seconds} s")
    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def no_own_crash(request, deadline):
    """None of our processes ended itself (SIGILL of a CHECK, SIGABRT, SIGSEGV): others would hide it by going on."""
    seen = harness.own_crashes(cluster_of(request.node))
    yield
    found = harness.own_crashes(cluster_of(request.node))
    new = {name: lines[len(seen.get(name, [])):] for name, lines in found.items()}
    assert not any(new.values()), f"a process of ours ended itself: {new}"


@pytest.fixture
def is_soak(request):
    return request.config.getoption("--soak")


@pytest.fixture(scope="module")
def make_cluster(request):
    """Makes labs that go with the module; one at a time keeps the machine usable."""
    made, number = [], [0]

    def make(**options):
        number[0] += 1
        prefix = f"t{os.getpid() % 10000}{chr(96 + number[0])}"
        folder = leftovers.make_folder("evenkeel-test-")
        try:
            cluster = harness.Cluster(folder, prefix, **options)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        made.append(cluster)
        request.node.evenkeel_cluster = cluster
        return cluster
    yield make
    for cluster in made:
        cluster.down()
        shutil.rmtree(cluster.folder, ignore_errors=True)


def cluster_of(item):
    return getattr(item.getparent(pytest.Module), "evenkeel_cluster", None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    cluster = cluster_of(item)
    if report.failed and cluster is not None:
        folder = EVIDENCE / re.sub(r"[^\w.-]+", "_", f"{item.nodeid.rsplit('/', 1)[-1]}-{report.when}")
        shutil.rmtree(folder, ignore_errors=True)
        cluster.collect(folder)
        report.sections.append(("evidence", str(folder)))
