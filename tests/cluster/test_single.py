"""Kind `single`: a module on one node. Started, checked, repaired, given up, stopped; our death is not the application's;
what is for pairs is refused with a sentence."""
import json
import os
import pathlib
import shutil
import signal
import sys
import time

import harness
import pytest

pytestmark = pytest.mark.deadline(120)
NAME, NODE = "web", "node1"
SERVER = harness.MODULE / "bin"


def make_single(folder, text="", scripts=("start_both", "stop_both"), name=NAME):
    """The counter's server in a plain directory, as a single."""
    target = pathlib.Path(folder) / name
    shutil.rmtree(target, ignore_errors=True)
    (target / "bin").mkdir(parents=True)
    for program in ("server", "stamp"):
        shutil.copy2(SERVER / program, target / "bin" / program)
    for script in scripts:
        shutil.copy2(SERVER / script.replace("both", "prim"), target / "bin" / script)
    (target / "bin" / "settings").write_text(f"directory=/srv/{NAME}\nport={harness.PORT}\nname={NAME}\n", encoding="utf-8")
    (target / "module.yaml").write_text(
        f"kind: single\nscript_timeout: 20s\naddress: {harness.ADDRESS}\nrepairs: 2\n"
        f"checks:\n  - tcp: {harness.PORT}\n    interval: 200ms\n    timeout: 2s\n{text}", encoding="utf-8")
    return target


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster(modules=[])
    made.module = NAME
    made.node(NODE).run(["mkdir", "-p", f"/srv/{NAME}"])
    carry(made, make_single(made.folder / "singles"))
    made.say(NODE, "module", "add", f"/run/lab/{NAME}")
    return made


def carry(cluster, folder):
    target = cluster.folder / "lab" / folder.name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)


def start(cluster):
    cluster.say(NODE, "start", NAME, check=False)
    cluster.wait_state(NODE, "UP Ready")


def servers(cluster):
    return cluster.processes(NODE, "server")


def wait_events(cluster, event, count, after_ns, seconds=20):
    harness.wait_for(f"{event} is not said {count} times", lambda: len(
        [each for each in cluster.events(NODE) if each["id"] == event and each["time_ns"] > after_ns]) >= count, seconds, every=0.2)


def is_served(cluster):
    """From the clients' network, at the service's address."""
    ask = ("import socket\n"
           f"with socket.create_connection(('{harness.ADDRESS}', {harness.PORT}), 2) as it:\n"
           "    it.settimeout(2)\n"
           "    it.sendall(b'w 1 append\\n')\n"
           "    print(it.recv(100).decode())\n")
    done = cluster.lab.gateway.run([sys.executable, "-c", ask], check=False)
    return done.stdout.startswith(f"ok {NODE}")


def test_life(cluster):
    start(cluster)
    assert is_served(cluster)
    found = cluster.status(NODE)
    assert found["kind"] == "single"
    assert not {"peer", "peer_heard", "good", "fs", "link", "durability"} & set(found), "it has no copies"
    assert cluster.processes(NODE, "evenkeel-fs") == []
    shown = cluster.say(NODE, "status").stdout
    assert f"{NODE} UP Ready" in shown and "not heard" not in shown
    assert "single, node node1" in cluster.say(NODE, "module", "list").stdout
    cluster.say(NODE, "restart", NAME)
    cluster.wait_state(NODE, "UP Ready")
    cluster.say(NODE, "stop", NAME)
    cluster.wait_state(NODE, "STOP NotReady")
    assert servers(cluster) == [] and not is_served(cluster)


def test_other_node_knows_nothing(cluster):
    start(cluster)
    refused = cluster.say("node2", "start", NAME, check=False)
    assert refused.returncode != 0 and "there is no module" in refused.stdout + refused.stderr
    assert cluster.status("node2") is None
    assert not [each for each in cluster.events("node2") if each["id"] == "module.differs"]


@pytest.mark.parametrize("words, sentence", [
    (("swap", NAME), "no node to swap with"),
    (("prim", NAME), "without a primary and a secondary"),
    (("second", NAME), "without a primary and a secondary"),
    (("verify", NAME), "nothing to compare it with"),
])
def test_what_is_for_pairs_is_refused(cluster, words, sentence):
    start(cluster)
    refused = cluster.say(NODE, *words, check=False)
    assert refused.returncode != 0
    assert "of kind single" in refused.stdout + refused.stderr and sentence in refused.stdout + refused.stderr
    assert cluster.state(NODE) == "UP Ready"


def test_killed_application_is_restarted(cluster):
    start(cluster)
    at_ns = time.time_ns()
    old = servers(cluster)
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait_events(cluster, "application.repair", 1, at_ns)
    cluster.wait_state(NODE, "UP Ready")
    harness.wait_for("it is not served again", lambda: is_served(cluster), 20, every=0.2)
    assert servers(cluster) and not set(old) & set(servers(cluster))


def test_killed_at_once_after_start(cluster):
    """The command was answered: the successor carries it out, and starts nothing twice."""
    start(cluster)
    for _ in range(3):
        cluster.say(NODE, "stop", NAME)
        cluster.wait_state(NODE, "STOP NotReady")
        daemon = cluster.processes(NODE, "evenkeeld")
        cluster.say(NODE, "start", "--no-wait", NAME)
        os.kill(daemon[0], signal.SIGKILL)
        harness.wait_for("a successor", lambda daemon=daemon: cluster.processes(NODE, "evenkeeld") not in ([], daemon), 10)
        cluster.wait_state(NODE, "UP Ready")
        assert len(servers(cluster)) == 1
    daemon = cluster.processes(NODE, "evenkeeld")
    cluster.say(NODE, "stop", "--no-wait", NAME)
    os.kill(daemon[0], signal.SIGKILL)
    cluster.wait_state(NODE, "STOP NotReady")
    assert servers(cluster) == [] and not is_served(cluster)


def test_killed_evenkeeld_is_not_noticed(cluster):
    start(cluster)
    clients = harness.Clients(cluster, writers=4)
    clients.wait_served()
    old, since = servers(cluster), cluster.status(NODE)["since"]
    for _ in range(3):
        daemon = cluster.processes(NODE, "evenkeeld")
        os.kill(daemon[0], signal.SIGKILL)
        harness.wait_for("a successor", lambda daemon=daemon: cluster.processes(NODE, "evenkeeld") not in ([], daemon), 10)
        cluster.wait_state(NODE, "UP Ready")
        clients.wait_served()
    requests = clients.stop()
    assert servers(cluster) == old, "the application was touched"
    assert cluster.status(NODE)["since"] == since and f"UP Ready since {since}" in cluster.say(NODE, "status").stdout
    assert {each.outcome for each in requests} == {"ok"}


def test_wrong_file_while_it_runs(cluster):
    """evenkeeld starts anew while module.yaml is wrong: what runs goes on as it was applied."""
    start(cluster)
    old = servers(cluster)
    path = f"/etc/evenkeel/modules/{NAME}/module.yaml"
    cluster.node(NODE).run(["cp", path, "/tmp/right.yaml"])
    cluster.node(NODE).run(["sh", "-c", f"echo 'directories: [/srv/{NAME}]' >>{path}"])
    refused = cluster.say(NODE, "apply", check=False)
    assert refused.returncode != 0 and "means nothing to a module of kind single" in refused.stdout + refused.stderr
    daemon = cluster.processes(NODE, "evenkeeld")
    os.kill(daemon[0], signal.SIGKILL)
    try:
        harness.wait_for("a successor", lambda: cluster.processes(NODE, "evenkeeld") not in ([], daemon), 10)
        cluster.wait_state(NODE, "UP Ready")
        assert "goes on with its settings" in cluster.status(NODE)["error"]
        assert servers(cluster) == old
    finally:
        cluster.node(NODE).run(["cp", "/tmp/right.yaml", path])
        cluster.say(NODE, "apply")


def test_given_up_after_its_repairs(cluster):
    start(cluster)
    script = f"/etc/evenkeel/modules/{NAME}/bin/start_both"
    at_ns = time.time_ns()
    cluster.node(NODE).run(["sh", "-c", f"mv {script} {script}.right; printf '#!/bin/sh\\nexit 3\\n' >{script}; chmod +x {script}"])
    try:
        for pid in servers(cluster):
            os.kill(pid, signal.SIGKILL)
        wait_events(cluster, "application.given_up", 1, at_ns)
        cluster.wait_state(NODE, "WAIT NotReady")
        assert "failed too often" in cluster.status(NODE)["now"] and "evenkeel start" in cluster.status(NODE)["to_do"]
        assert not is_served(cluster)
    finally:
        cluster.node(NODE).run(["mv", f"{script}.right", script])
    start(cluster)
    assert is_served(cluster)


def test_runs_again_after_a_power_cut(cluster):
    start(cluster)
    cluster.node(NODE).crash()
    cluster.boot(NODE)
    cluster.wait_state(NODE, "UP Ready", seconds=30)
    assert is_served(cluster)


@pytest.mark.parametrize("text, sentence", [
    ("directories: [/srv/x]\n", "means nothing to a module of kind single"),
    ("preferred: node1\n", "means nothing to a module of kind single"),
    ("nodes: [node1, node2]\n", "a module of kind single runs on one node"),
    ("nodes: node2\n", "a module of kind single runs on one node, and 'nodes' names 'node2'"),
])
def test_wrong_words(cluster, text, sentence):
    carry(cluster, make_single(cluster.folder / "singles", text, name="wrong"))
    refused = cluster.say(NODE, "module", "add", "/run/lab/wrong", check=False)
    assert refused.returncode != 0 and sentence in refused.stdout + refused.stderr
    assert "wrong" not in json.dumps(json.loads(cluster.say(NODE, "module", "list", "--json").stdout))


def test_scripts_of_a_pair_are_named(cluster):
    folder = make_single(cluster.folder / "singles", "", ("start_both", "stop_both", "start_prim"), "pairs")
    (folder / "module.yaml").write_text("kind: single\n", encoding="utf-8")
    carry(cluster, folder)
    refused = cluster.say(NODE, "module", "add", "/run/lab/pairs", check=False)
    assert refused.returncode != 0 and "start_prim' never runs" in refused.stdout + refused.stderr


EDGE, EDGE_OWN, EDGE_ADDRESSES, EDGE_GROUP = "edge", "10.88.9.1/24", ["10.88.9.100", "fd00:88:9::100"], "ff02::1:ff00:100"


def make_interface(cluster):
    """One that is the node's alone, with a network; a bridge needs no other end."""
    cluster.node(NODE).run(["sh", "-c", "ip link add edge0 type bridge && ip link set edge0 up && "
                                        f"ip address add {EDGE_OWN} dev edge0"])


def edge_addresses(cluster):
    shown = cluster.node(NODE).run(["ip", "-json", "address", "show", "dev", "edge0"], check=False).stdout or "[]"
    return [each["local"] for link in json.loads(shown) for each in link.get("addr_info", []) if each["local"] in EDGE_ADDRESSES]


def is_edge_member(cluster):
    return EDGE_GROUP in cluster.node(NODE).run(["ip", "-6", "maddress", "show", "dev", "edge0"]).stdout


def group_of(cluster):
    """The control group of the node's evenkeeld."""
    pid = cluster.processes(NODE, "evenkeeld")[0]
    mounts = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    root = next(words[1] for words in map(str.split, mounts) if words[2] == "cgroup2")
    lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    return pathlib.Path(root) / next(line[3:] for line in lines if line.startswith("0::")).lstrip("/")


def wait_edge(cluster):
    harness.wait_for("the addresses are not set", lambda: sorted(edge_addresses(cluster)) == EDGE_ADDRESSES, 10, every=0.02)


def test_interface_made_anew(cluster):
    """A network manager deletes the interface of the addresses and makes it anew, more often than any table is long. While it
    is not there, status says so. With the module the node's listening for the address goes too."""
    folder = cluster.folder / "singles" / EDGE
    folder.mkdir()
    (folder / "module.yaml").write_text(
        f"kind: single\naddresses: [{EDGE_ADDRESSES[0]}, '{EDGE_ADDRESSES[1]}@edge0']\n", encoding="utf-8")
    carry(cluster, folder)
    make_interface(cluster)
    cluster.say(NODE, "module", "add", f"/run/lab/{EDGE}")
    cluster.say(NODE, "start", EDGE)
    for _ in range(20):
        wait_edge(cluster)
        cluster.node(NODE).run(["ip", "link", "del", "edge0"])
        make_interface(cluster)
    wait_edge(cluster)
    cluster.node(NODE).run(["ip", "link", "del", "edge0"])
    harness.wait_for("status does not say that the address cannot be set", lambda:
                     "cannot be set" in cluster.status(NODE, EDGE).get("error", ""), 5, every=0.1)
    assert not cluster.status(NODE, EDGE)["is_address_held"]
    make_interface(cluster)
    wait_edge(cluster)
    harness.wait_for("status still complains", lambda: "error" not in cluster.status(NODE, EDGE), 5, every=0.1)
    assert cluster.status(NODE, EDGE)["is_address_held"] and is_edge_member(cluster)
    cluster.say(NODE, "stop", EDGE)
    groups = group_of(cluster) / f"evenkeel-{NODE}"
    assert (groups / EDGE).is_dir()
    cluster.say(NODE, "module", "remove", EDGE)
    assert not (groups / EDGE).exists(), "its control groups stay"
    assert groups.is_dir()
    harness.wait_for("evenkeeld still listens for the address", lambda: not is_edge_member(cluster), 5, every=0.1)
