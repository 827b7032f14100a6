"""The directory is not the one: its disk is not mounted, or an old image of it was put back. It never serves, and never
wipes the other copy (R2, R17).

    node1 (the last holder)   loses power, and its data disk with it
    node2                     has everything
"""
import contextlib
import os
import subprocess
import tempfile
import time

import harness
import pytest

pytestmark = pytest.mark.deadline(120)
FILES = ["one", "two", "three"]


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster(size="64M")
    made.bring_up("node1")
    return made


def device_of(cluster, name):
    return cluster.lab.state["nodes"][name]["data_device"]


@contextlib.contextmanager
def data_disk(cluster, name):
    """The folder of a dead node's data disk that holds the replicated directory."""
    with tempfile.TemporaryDirectory(prefix="evenkeel-disk-") as folder:
        subprocess.run(["mount", device_of(cluster, name), folder], check=True)
        try:
            yield next(path for path, folders, _ in os.walk(folder) if "counter" in folders or "away" in folders)
        finally:
            subprocess.run(["umount", folder], check=True)


def take_away(cluster, name):
    """As if the dead node's data disk were not mounted: an empty directory in its place."""
    with data_disk(cluster, name) as folder:
        os.rename(f"{folder}/counter", f"{folder}/away")
        os.mkdir(f"{folder}/counter")


def put_back(cluster, name):
    with data_disk(cluster, name) as folder:
        subprocess.run(["rm", "-r", f"{folder}/counter"], check=True)
        os.rename(f"{folder}/away", f"{folder}/counter")


def wait_asks_for_disk(cluster, name):
    harness.wait_for(f"{name} does not ask for its disk",
                     lambda: "is its disk mounted?" in (cluster.status(name) or {"now": ""})["now"], 15)


def write(cluster, name, files):
    for file in files:
        cluster.node(name).run(["sh", "-c", f"echo {file} > /srv/counter/{file} && sync /srv/counter/{file}"])


def assert_has(cluster, files):
    for name in cluster.lab.nodes:
        for file in files:
            assert os.path.exists(f"{cluster.underneath(name)}/{file}"), f"{file} is gone on {name}"


def boot_both(cluster):
    for name in cluster.lab.nodes:
        cluster.boot(name)


def to_node1(cluster):
    if cluster.wait_pair() != "node1":
        cluster.say("node2", "swap", cluster.module)
        cluster.wait_pair("node1")


def test_disk_not_mounted(cluster):
    """Both lose power. The holder comes back without its disk: the other serves, and the empty directory stays empty."""
    write(cluster, "node1", FILES)
    for name in cluster.lab.nodes:
        cluster.node(name).kill()
    take_away(cluster, "node1")
    boot_both(cluster)
    cluster.wait_state("node2", "ALONE Ready")
    wait_asks_for_disk(cluster, "node1")
    status = cluster.status("node1")
    assert status["state"] == "WAIT" and "mount the right disk" in status["to_do"], status
    assert not set(FILES) & set(os.listdir(cluster.underneath("node1"))), "somebody filled the mount point"
    cluster.node("node1").kill()
    put_back(cluster, "node1")
    cluster.boot("node1")
    cluster.wait_pair("node2")
    assert_has(cluster, FILES)
    cluster.assert_equal()


def test_only_copy_not_mounted(cluster):
    """The same for the only good copy: it waits, whatever is told it without --force, until the disk is there."""
    to_node1(cluster)
    cluster.say("node2", "stop", cluster.module)
    write(cluster, "node1", ["more"])
    cluster.node("node1").kill()
    take_away(cluster, "node1")
    cluster.boot("node1")
    cluster.say("node2", "start", cluster.module, "--no-wait")
    wait_asks_for_disk(cluster, "node1")
    for words in (["prim"], ["start"], ["second"]):
        cluster.say("node1", *words, cluster.module, "--no-wait", check=False)
        harness.wait_for(f"node1 waits after {words}", lambda: cluster.state("node1") == "WAIT NotReady", 10)
    assert cluster.state("node2").startswith("WAIT"), cluster.states()
    cluster.node("node1").kill()
    put_back(cluster, "node1")
    cluster.boot("node1")
    cluster.wait_pair("node1")
    assert_has(cluster, [*FILES, "more"])
    cluster.assert_equal()


def test_directory_not_there(cluster):
    """Not even the mount point is there: evenkeel-fs ends each time it is started. It is said in its words, not by the hundred,
    the service goes on, and `stop` ends, for there is nothing to unmount."""
    to_node1(cluster)
    cluster.node("node2").kill()
    at_ns = time.time_ns()
    with data_disk(cluster, "node2") as folder:
        os.rename(f"{folder}/counter", f"{folder}/away")
    cluster.boot("node2")
    wait_asks_for_disk(cluster, "node2")
    status = cluster.status("node2")
    assert "/srv/counter" in status["now"] and "no answer" not in status["now"], status
    assert cluster.state("node1").endswith("Ready"), cluster.states()
    cluster.say("node2", "stop", cluster.module, seconds=40)
    assert cluster.state("node2") == "STOP NotReady", cluster.states()
    said = [event["sentence"] for event in cluster.events("node2")
            if event["time_ns"] >= at_ns and event["id"] in ("fs.ended", "fs.died")]
    assert len(said) < 6 and any("is its disk mounted?" in sentence for sentence in said), said
    cluster.node("node2").run(["mv", "/srv/away", "/srv/counter"])
    cluster.say("node2", "start", cluster.module)
    cluster.wait_pair("node1")
    cluster.assert_equal()


def test_old_image_put_back(cluster):
    """Both lose power, and the holder's disk comes back as it was some time before: it is brought up to date, not served."""
    to_node1(cluster)
    cluster.node("node1").run(["sync"])
    device, image = device_of(cluster, "node1"), f"{cluster.folder}/image"
    subprocess.run(["dd", f"if={device}", f"of={image}", "bs=1M", "conv=sparse"], check=True, capture_output=True)
    write(cluster, "node1", ["late"])
    cluster.say("node1", "swap", cluster.module)
    cluster.wait_pair("node2")
    cluster.say("node2", "swap", cluster.module)
    cluster.wait_pair("node1")
    for name in cluster.lab.nodes:
        cluster.node(name).kill()
    subprocess.run(["dd", f"if={image}", f"of={device}", "bs=1M", "conv=fsync"], check=True, capture_output=True)
    boot_both(cluster)
    cluster.wait_pair("node2")
    assert any("an older state of /srv/counter was put back" in event["sentence"] for event in cluster.events("node1"))
    assert_has(cluster, [*FILES, "more", "late"])
    cluster.assert_equal()
