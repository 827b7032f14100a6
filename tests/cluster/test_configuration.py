"""Configuration that is wrong on one node, or not the same on both: only what is wrong stays out, and it is said.

Two modules, `counter` and `second`, each with data of its own.
"""
import contextlib
import json
import os
import signal
import time

import harness
import pytest

pytestmark = pytest.mark.deadline(120)
YAML = "/etc/evenkeel/modules/{}/module.yaml"


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster()
    harness.make_module(made.lab.dir + "/carry/more", "second", address="10.77.3.101", port=7001)
    for name in made.lab.nodes:
        made.node(name).run(["mkdir", "-p", "/srv/second"])
        made.say(name, "module", "add", "/run/lab/carry/more/second")
        for module in ("counter", "second"):
            made.node(name).run(["sh", "-c", f"echo {module} of {name} > /srv/{module}/whose"])
    return made


def change_yaml(cluster, node, module, old, new):
    cluster.node(node).run(["sed", "-i", f"s/^{old}/{new}/", YAML.format(module)])


def number_of(cluster, node, module):
    text = cluster.node(node).run(["cat", YAML.format(module)]).stdout
    return next(line.split()[1] for line in text.splitlines() if line.startswith("number:"))


def told(cluster, node, module):
    """What `status` tells of a module, whatever state it is in; None: nothing."""
    listed = json.loads(cluster.say(node, "status", "--json").stdout)["modules"]
    return next((each for each in listed if each["name"] == module), None)


def bring_up(cluster, module):
    cluster.module = module
    try:
        cluster.bring_up()
        return {name: cluster.node(name).run(["cat", f"/srv/{module}/whose"]).stdout for name in cluster.lab.nodes}
    finally:
        cluster.module = "counter"


def restart_daemon(cluster, node):
    """As after a crash: hold starts it again, and it reads everything anew."""
    before = cluster.processes(node, "evenkeeld")
    os.kill(before[0], signal.SIGKILL)
    harness.wait_for("evenkeeld is not started again", lambda: cluster.processes(node, "evenkeeld") not in ([], before), 10)
    cluster.node(node).wait_service()


def test_numbers_are_exchanged_on_one_node(cluster):
    """Each module finds itself on the other node by its name; the difference is an error that is shown until it is mended."""
    numbers = {module: number_of(cluster, "node2", module) for module in ("counter", "second")}
    for module, other in (("counter", "second"), ("second", "counter")):
        change_yaml(cluster, "node2", module, "number: .*", f"number: {numbers[other]}")
    cluster.say("node2", "apply")
    for module in numbers:
        data = bring_up(cluster, module)
        assert set(data.values()) == {f"{module} of node1\n"}, "the data of two modules were mixed"
    for node in cluster.lab.nodes:
        for module in numbers:
            error = told(cluster, node, module).get("error", "")
            assert f"Module '{module}' has number" in error and "evenkeel apply" in error, f"{node} {module}: {error!r}"
        assert "error " in cluster.say(node, "status").stdout
        said = [event for event in cluster.events(node) if event["id"] == "module.differs"]
        assert len(said) == len(numbers), f"said once for each module: {said}"
    for module in numbers:
        for node in ("node2", "node1"):
            cluster.say(node, "stop", module)
        change_yaml(cluster, "node2", module, "number: .*", f"number: {numbers[module]}")
    cluster.say("node2", "apply")
    harness.wait_for("the error is still shown", lambda: all(
        "error" not in told(cluster, node, module) for node in cluster.lab.nodes for module in numbers), 10)


def test_a_wrong_module_stays_out_alone(cluster):
    """After a restart of the daemon the others go on; `status` shows what is wrong, until it is corrected and applied."""
    if cluster.status("node1")["generation"] == 0:
        cluster.bring_up()
    for node in cluster.lab.nodes:
        cluster.say(node, "start", "counter", check=False)
    primary = cluster.wait_pair()
    states = cluster.states()
    change_yaml(cluster, "node2", "second", "durability: call", "durability: cal")
    restart_daemon(cluster, "node2")
    cluster.wait_pair(primary)
    wrong = told(cluster, "node2", "second")
    assert wrong and wrong.get("is_left_out") is True, f"status says {wrong}"
    assert "modules/second/module.yaml:" in wrong["error"] and "found 'cal'" in wrong["error"], wrong
    assert "evenkeel apply" in wrong["to_do"]
    text = " ".join(cluster.say("node2", "status").stdout.split())
    assert "second node2 left out error" in text and "key 'durability'" in text, text
    done = cluster.say("node2", "start", "second", check=False)
    assert done.returncode != 0 and "key 'durability'" in done.stderr, done.stderr
    done = cluster.say("node2", "apply", check=False)
    assert done.returncode != 0 and "key 'durability'" in done.stderr, done.stderr
    change_yaml(cluster, "node2", "second", "durability: cal", "durability: call")
    cluster.say("node2", "apply")
    mended = told(cluster, "node2", "second")
    assert mended["state"] == "STOP" and "error" not in mended, mended
    assert cluster.states() == states


def test_a_module_that_runs_goes_on_although_its_file_is_wrong(cluster):
    """Both evenkeeld and evenkeel-fs start anew while module.yaml is wrong: the application notices nothing."""
    if cluster.status("node1")["generation"] == 0:
        cluster.bring_up()
    for node in cluster.lab.nodes:
        cluster.say(node, "start", "counter", check=False)
    primary = cluster.wait_pair()
    states = cluster.states()
    there, elsewhere = "\\(directories.*\\)\\/srv\\/{}", "\\1\\/srv\\/{}"
    for change, back, found in (
            (["durability: call", "durability: cal"], ["durability: cal", "durability: call"], "found 'cal'"),
            ([there.format("counter"), elsewhere.format("else")], [there.format("else"), elsewhere.format("counter")],
             "found '/srv/else'")):
        application = cluster.processes(primary, "server")
        assert application
        change_yaml(cluster, primary, "counter", *change)
        restart_daemon(cluster, primary)
        for pid in cluster.processes(primary, "evenkeel-fs"):
            os.kill(pid, signal.SIGKILL)
        time.sleep(4)       # longer than the address lives by itself
        cluster.wait_pair(primary)
        assert cluster.states() == states and harness.ADDRESS in cluster.node(primary).run(["ip", "address"]).stdout
        assert cluster.processes(primary, "server") == application, "the application was started anew"
        error = told(cluster, primary, "counter").get("error", "")
        assert found in error and "goes on" in error and "evenkeel apply" in error, error
        done = cluster.say(primary, "apply", check=False)
        assert done.returncode != 0, done
        change_yaml(cluster, primary, "counter", *back)
        cluster.say(primary, "apply")
        assert "error" not in told(cluster, primary, "counter")
        assert cluster.states() == states


def test_directories_differ(cluster):
    """A module of the same name with another directory is another module: nothing of it is replicated, and it is said."""
    for node in cluster.lab.nodes:
        cluster.say(node, "stop", "second", check=False)
    cluster.node("node2").run(["sh", "-c", "mkdir -p /srv/elsewhere && echo untouched > /srv/elsewhere/whose"])
    change_yaml(cluster, "node2", "second", "directories: .*", 'directories: ["\\/srv\\/elsewhere"]')
    cluster.say("node2", "apply")
    for node in cluster.lab.nodes:
        cluster.say(node, "start", "second", "--no-wait")
    cluster.say("node1", "prim", "second", "--no-wait", check=False)
    cluster.module = "second"
    try:
        cluster.wait_state("node1", "ALONE Ready")
        for node in cluster.lab.nodes:
            error = told(cluster, node, "second").get("error", "")
            assert "Module 'second' has other directories" in error and "evenkeel apply" in error, f"{node}: {error!r}"
        cluster.node("node1").run(["sh", "-c", "echo new > /srv/second/new"])
        assert cluster.state("node2").startswith("WAIT"), cluster.status("node2")
        assert cluster.node("node2").run(["ls", "/srv/elsewhere"]).stdout == "whose\n"
        cluster.say("node2", "stop", "second")
        change_yaml(cluster, "node2", "second", "directories: .*", 'directories: ["\\/srv\\/second"]')
        cluster.say("node2", "apply")
        cluster.say("node2", "start", "second")
        cluster.wait_pair("node1")
        assert cluster.node("node2").run(["cat", "/srv/second/new"]).stdout == "new\n"
    finally:
        cluster.module = "counter"


def test_a_module_that_is_still_stopping_stays(cluster):
    """Somebody sits in the directory, so it cannot be released: neither `module remove` nor `apply` may forget the mount."""
    if cluster.status("node1")["generation"] == 0:
        cluster.bring_up()
    node = cluster.other(cluster.wait_pair())
    sitter = cluster.node(node).popen(["sh", "-c", "cd /srv/counter && exec sleep 60"])
    try:
        harness.wait_for("nobody sits there", lambda: cluster.node(node).run(
            ["sh", "-c", "ls -l /proc/[0-9]*/cwd 2>/dev/null | grep -q /srv/counter"], check=False).returncode == 0, 10)
        cluster.node(node).run(["timeout", "3", "evenkeel", "stop", "counter"], check=False)     # it waits
        removed = cluster.say(node, "module", "remove", "counter", check=False)
        assert removed.returncode != 0 and "still being stopped" in removed.stderr, removed
        change_yaml(cluster, node, "counter", "\\(.*\\)\\/srv\\/counter", "\\1\\/srv\\/elsewhere")
        cluster.node(node).run(["mkdir", "-p", "/srv/elsewhere"])
        applied = cluster.say(node, "apply", check=False)
        assert applied.returncode != 0 and "still being stopped" in applied.stderr, applied
        change_yaml(cluster, node, "counter", "\\(.*\\)\\/srv\\/elsewhere", "\\1\\/srv\\/counter")
    finally:
        sitter.kill()
        sitter.wait()
    cluster.wait_state(node, "STOP NotReady", seconds=30)
    cluster.say(node, "start", "counter")
    cluster.wait_pair()


ASK = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
s.connect("/run/evenkeel/admin.sock")
s.sendall(sys.argv[1].encode() + b"\\n")
print(s.makefile().readline())
"""


def ask(cluster, node, **request):
    """Past the command line, which would read the files itself."""
    return json.loads(cluster.node(node).run(["python3", "-c", ASK, json.dumps(request)]).stdout)


@contextlib.contextmanager
def slow_modules(cluster, name):
    """A file system of its own below modules/ of the node. Gives what stops and continues it."""
    node = cluster.node(name)
    node.run(["mkdir", "-p", "/run/slow"])
    slow = node.popen(["evenkeel-fs", "--standalone", "--directory", "/etc/evenkeel/modules", "--state", "/run/slow", "--run", "/run/slow"])
    pid = None
    try:
        harness.wait_for("modules/ is not mounted", lambda: node.run(
            ["grep", "-q", " /etc/evenkeel/modules fuse", "/proc/mounts"], check=False).returncode == 0, 10)
        pid = node.pid_of("evenkeel-fs", "--standalone")
        yield lambda number: os.kill(pid, number)
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
        slow.kill()
        slow.wait()
        node.run(["umount", "-l", "/etc/evenkeel/modules"], check=False)


def test_a_disk_of_configuration_that_hangs_is_in_nobodys_way(cluster):
    """Below modules/ nothing answers any more: the primary beats and serves, and who wants `apply` is told so."""
    if cluster.status("node1")["generation"] == 0:
        cluster.bring_up()
    primary = cluster.wait_pair()
    states, clients = cluster.states(), harness.Clients(cluster)
    try:
        with slow_modules(cluster, primary) as send:
            clients.wait_served()
            send(signal.SIGSTOP)
            began_ns = time.time_ns()
            answer = ask(cluster, primary, command="reload")
            assert not answer["ok"] and "its disk has not answered for 5 s" in answer["sentence"], answer
            clients.wait_served(time.time_ns())
            send(signal.SIGCONT)
            assert ask(cluster, primary, command="reload") == {"ok": True}
        said = [event for name in cluster.lab.nodes for event in cluster.events(name) if event["time_ns"] > began_ns]
        assert not [event for event in said if event["id"] in ("daemon.late", "mesh.link_down", "peer.lost")], said
        assert cluster.states() == states
    finally:
        requests = clients.stop()
    cluster.assert_nothing_missing(requests)


def test_modules_that_cannot_be_read_at_the_start_are_waited_for(cluster):
    """The daemon of the secondary starts anew meanwhile: it is heard, says what it waits for, and then carries on."""
    if cluster.status("node1")["generation"] == 0:
        cluster.bring_up()
    primary = cluster.wait_pair()
    name = cluster.other(primary)
    with slow_modules(cluster, name) as send:
        send(signal.SIGSTOP)
        before = cluster.processes(name, "evenkeeld")
        began_ns = time.time_ns()
        os.kill(before[0], signal.SIGKILL)
        harness.wait_for("nobody says that modules/ hangs", lambda: any(
            event["id"] == "config.hangs" and event["time_ns"] > began_ns for event in cluster.events(name)), 15)
        nodes = ask(cluster, primary, command="status")["nodes"]
        other = next(node for node in nodes if node["name"] == name)
        assert all(address["is_up"] for address in other["addresses"]), other
        assert ask(cluster, name, command="status")["modules"] == []
        send(signal.SIGCONT)
        cluster.wait_pair(primary)
