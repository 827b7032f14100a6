"""Scripts that fail, hang, or lose their executable bit while running. What status and the log say, and that nothing hangs."""
import time

import harness
import pytest

pytestmark = pytest.mark.deadline(180)
RETURN_SECONDS = 45


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster(more="", modules=None)
    made.bring_up("node1")
    return made


def script(name="start_prim", module="counter"):
    return f"/etc/evenkeel/modules/{module}/bin/{name}"


def replace(cluster, node, body, name="start_prim"):
    cluster.node(node).run(["sh", "-c", f"cp -p {script(name)} {script(name)}.right; printf '%s' \"$0\" > {script(name)}", body])


def put_back(cluster, node, name="start_prim"):
    cluster.node(node).run(["sh", "-c", f"[ ! -e {script(name)}.right ] || mv {script(name)}.right {script(name)}; chmod +x {script(name)}"])


def sentences(cluster, node, after_ns):
    return " ".join(event["sentence"] for event in cluster.events(node) if event["time_ns"] >= after_ns - 10**6)


def wait_said(cluster, node, after_ns, *words, seconds=40):
    def is_said():
        said = sentences(cluster, node, after_ns)
        return all(word in said for word in words)
    try:
        harness.wait_for("", is_said, seconds, every=0.2)
    except harness.LabError:
        raise AssertionError(f"{node} does not say {words}: {sentences(cluster, node, after_ns)}") from None


def recover(cluster, primary):
    """Stops and starts the module on both nodes, and waits for the pair."""
    for name in (cluster.other(primary), primary):
        cluster.say(name, "stop", cluster.module, check=False, seconds=90)
    for name in cluster.lab.nodes:
        harness.wait_for("stopped", lambda name=name: cluster.state(name).startswith("STOP"), 60)
    for name in (primary, cluster.other(primary)):
        cluster.say(name, "start", cluster.module)
    cluster.wait_pair(seconds=RETURN_SECONDS)


def swap_into_trouble(cluster, body, *words, mode=None):
    """The node that is to take over cannot start its application: it says so, and the service returns somewhere."""
    old = cluster.wait_pair(seconds=RETURN_SECONDS)
    new = cluster.other(old)
    at_ns = time.time_ns()
    if body is not None:
        replace(cluster, new, body)
    if mode is not None:
        cluster.node(new).run(["chmod", mode, script()])
    try:
        cluster.say(new, "swap", cluster.module, check=False, seconds=150)    # three tries of up to 20 s each
        wait_said(cluster, new, at_ns, "start_prim", *words)
    finally:
        put_back(cluster, new)
    assert cluster.state(new) != "off"
    recover(cluster, old)
    cluster.assert_equal()


def test_script_fails(cluster):
    swap_into_trouble(cluster, "#!/bin/sh\necho the licence is missing >&2\nexit 3\n", "3")


def test_script_is_not_executable(cluster):
    swap_into_trouble(cluster, None, "executable", mode="-x")


@pytest.mark.deadline(240)
def test_script_hangs(cluster):
    """It is killed after script_timeout (20 s here), with all that it started."""
    old = cluster.wait_pair(seconds=RETURN_SECONDS)
    new = cluster.other(old)
    swap_into_trouble(cluster, "#!/bin/sh\nsleep 977 &\nsleep 978\n", "20")
    assert cluster.node(new).pid_of("sleep", "977") is None and cluster.node(new).pid_of("sleep", "978") is None


def test_application_dies(cluster):
    """The application is killed: the check sees it, and it is started again on the same node."""
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    clients = harness.Clients(cluster)
    clients.wait_served()
    cluster.node(primary).run(["sh", "-c", "kill -9 $(cat /run/counter.pid)"])
    at_ns = time.time_ns()
    harness.wait_for("a second", lambda: time.time_ns() > at_ns + 10**9, 5)
    clients.wait_served(time.time_ns(), seconds=30)
    requests = clients.stop()
    cluster.wait_pair(primary, RETURN_SECONDS)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()
