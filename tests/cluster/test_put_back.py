"""Half of a node is put back from an earlier day: its state (the machine's own disk), or state and data to days that differ. Such a
copy neither serves by itself nor wipes another (R2).

    node1    alone for a while: then its state is kept. Later node2 is good as well, takes over, and both lose power
"""
import contextlib
import os
import subprocess
import tempfile

import harness
import pytest

pytestmark = pytest.mark.deadline(120)


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster(size="64M")
    made.bring_up("node1")
    return made


def device_of(cluster, name, kind):
    return cluster.lab.state["nodes"][name][f"{kind}_device"]


@contextlib.contextmanager
def state_folder(cluster, name):
    """The state folder on the disk of a node that is down."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-state-") as folder:
        subprocess.run(["mount", device_of(cluster, name, "state"), folder], check=True)
        try:
            yield f"{folder}/lib"
        finally:
            subprocess.run(["umount", folder], check=True)


def copy(source, target):
    subprocess.run(["rm", "-rf", target], check=True)
    subprocess.run(["cp", "-a", source, target], check=True)


def keep_state(cluster, name):
    with state_folder(cluster, name) as folder:
        copy(folder, f"{cluster.folder}/state")


def put_state_back(cluster, name):
    with state_folder(cluster, name) as folder:
        assert os.path.exists(f"{folder}/{cluster.module}.record"), os.listdir(folder)
        copy(f"{cluster.folder}/state", folder)


def keep_data(cluster, name):
    subprocess.run(["dd", f"if={device_of(cluster, name, 'data')}", f"of={cluster.folder}/data", "bs=1M", "conv=sparse"], check=True,
                   capture_output=True)


def put_data_back(cluster, name):
    subprocess.run(["dd", f"if={cluster.folder}/data", f"of={device_of(cluster, name, 'data')}", "bs=1M", "conv=fsync"], check=True,
                   capture_output=True)


def write(cluster, name, file):
    cluster.node(name).run(["sh", "-c", f"echo {file} > /srv/counter/{file} && sync /srv/counter/{file}"])


def assert_has(cluster, files):
    for name in cluster.lab.nodes:
        for file in files:
            assert os.path.exists(f"{cluster.underneath(name)}/{file}"), f"{file} is gone on {name}"


def wait_says(cluster, name, words, seconds=20):
    harness.wait_for(f"{name} does not say: {words}", lambda: words in (cluster.status(name) or {"now": ""})["now"], seconds)


def kill(cluster, name):
    cluster.node(name).run(["sync"])
    cluster.node(name).kill()


def test_state_put_back(cluster):
    """The state of node1 says that it is the only good copy, its data know better. It waits, node2 serves, nothing is gone."""
    cluster.say("node2", "stop", cluster.module)
    write(cluster, "node1", "alone")
    kill(cluster, "node1")
    keep_state(cluster, "node1")
    keep_data(cluster, "node1")
    cluster.boot("node1")
    cluster.say("node2", "start", cluster.module, "--no-wait")
    cluster.wait_pair("node1")
    write(cluster, "node1", "paired")
    kill(cluster, "node1")
    cluster.wait_state("node2", "ALONE Ready")
    write(cluster, "node2", "after")
    kill(cluster, "node2")
    put_state_back(cluster, "node1")
    cluster.boot("node1")
    wait_says(cluster, "node1", "is older than the data in /srv/counter")
    assert cluster.state("node1") == "WAIT NotReady", cluster.status("node1")
    said = cluster.say("node1", "prim", cluster.module, "--no-wait", check=False)
    assert "put back from an earlier day" in str(said), said
    cluster.boot("node2")
    cluster.wait_pair("node2")
    assert_has(cluster, ["alone", "paired", "after"])
    cluster.assert_equal()


def test_state_and_data_of_different_days(cluster):
    """Both halves of node2, the holder, are put back, its data to an earlier day than its state: node1 serves."""
    kill(cluster, "node2")
    keep_data(cluster, "node2")
    cluster.boot("node2")
    holder = cluster.wait_pair()
    write(cluster, holder, "between")
    kill(cluster, "node2")
    keep_state(cluster, "node2")
    cluster.boot("node2")
    holder = cluster.wait_pair()
    write(cluster, holder, "late")
    if holder == "node1":
        cluster.say("node1", "swap", cluster.module)
        cluster.wait_pair("node2")
    for name in cluster.lab.nodes:
        kill(cluster, name)
    put_state_back(cluster, "node2")
    put_data_back(cluster, "node2")
    for name in cluster.lab.nodes:
        cluster.boot(name)
    cluster.wait_pair("node1")
    assert any("this node does not serve by itself" in event["sentence"] for event in cluster.events("node2"))
    assert_has(cluster, ["alone", "paired", "after", "between", "late"])
    cluster.assert_equal()
