"""Full disks, on file systems of their own: the application is told the truth, and the copies stay equal.

    primary full: the application gets ENOSPC, both copies stay equal
    secondary full: the primary goes on alone and says so
"""
import harness
import pytest
import workload

pytestmark = pytest.mark.deadline(180)
RETURN_SECONDS = 60


@pytest.fixture(scope="module", params=["ext4", "xfs"])
def cluster(make_cluster, request):
    made = make_cluster(fs=request.param, size="320M")
    made.bring_up("node1")
    return made


def fill(cluster, name, megabytes_left=0):
    """Uses up the node's data disk, outside the replicated directory, but for so much."""
    cluster.node(name).run(["sh", "-c", "cd /srv && dd if=/dev/zero of=left bs=1M count=$1 2>/dev/null && sync && "
                                        "{ dd if=/dev/zero of=filler bs=1M 2>/dev/null; "
                                        "dd if=/dev/zero of=filler2 bs=1k 2>/dev/null; rm left; sync; true; }",
                            "fill", str(megabytes_left)])


def free(cluster, name):
    cluster.node(name).run(["rm", "-f", "/srv/filler", "/srv/filler2"])


def write_until_full(cluster, name, megabytes):
    """Writes through the mount. Gives what the application was told."""
    return cluster.node(name).run(["dd", "if=/dev/urandom", "of=/srv/counter/large", "bs=64k", f"count={megabytes * 16}"],
                                  check=False)


def size_of_large(cluster, name):
    return int(cluster.node(name).run(["stat", "--format=%s", "/srv/counter/large"]).stdout)


def test_secondary_full(cluster):
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    second = cluster.other(primary)
    fill(cluster, second)
    clients = harness.Clients(cluster)
    clients.wait_served()
    done = write_until_full(cluster, primary, 20)
    assert done.returncode == 0, f"the application must not feel the secondary's disk: {done.stderr}"
    cluster.wait_state(primary, "ALONE Ready")
    events = " ".join(event["sentence"] for event in cluster.events(primary))
    assert "cannot follow" in events and "No space left on device" in events and "goes on alone" in events, events
    assert "disk" in cluster.status(second)["now"] and "evenkeel start" in cluster.status(second)["to_do"], cluster.status(second)
    free(cluster, second)
    cluster.say(second, "start", cluster.module)
    cluster.wait_pair(primary, RETURN_SECONDS)
    requests = clients.stop()
    assert not workload.errors(requests) and not workload.broken(requests)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()
    cluster.node(primary).run(["rm", "/srv/counter/large"])


def test_primary_full(cluster):
    primary = cluster.wait_pair(seconds=RETURN_SECONDS)
    # The file is there before: a full XFS refuses even a new name, and the case is about a write that fails halfway.
    cluster.node(primary).run(["sh", "-c", "echo before > /srv/counter/before && : > /srv/counter/large"])
    fill(cluster, primary, megabytes_left=4)
    done = write_until_full(cluster, primary, 20)
    assert done.returncode != 0 and "error writing" in done.stderr and "No space left on device" in done.stderr, done.stderr
    size = size_of_large(cluster, primary)
    assert 0 < size < 20 << 20, f"the disk was to be full in the middle of writing, not after {size} bytes"
    assert cluster.wait_pair(primary, 10) == primary, "a full disk of the primary is the application's business"
    cluster.assert_equal()
    free(cluster, primary)
    cluster.node(primary).run(["sh", "-c", "rm /srv/counter/large && echo after > /srv/counter/after"])
    cluster.wait_pair(primary, 10)
    cluster.assert_equal()
