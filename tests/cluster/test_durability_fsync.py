"""durability: fsync. Calls return at once; fsync waits for both. This is also the negative control of test_stopped_applier."""
import pytest
import test_processes
import workload

pytestmark = pytest.mark.deadline(150)


@pytest.fixture(scope="module")
def cluster(make_cluster):
    made = make_cluster(durability="fsync")
    made.bring_up("node1")
    return made


def test_stopped_applier_lets_calls_return(cluster):
    """With the promise of `call` not given, its check turns red: appends return; but no fsync and no msync does."""
    at_ns, requests = test_processes.stop_applier(cluster)
    early = test_processes.too_early(requests, at_ns, 1.5)
    kinds = {each.kind for each in early if each.writer != "probe"}
    assert kinds & {"append", "overwrite", "rename"}, "no call returned: this control proves nothing"
    assert not kinds & {"fsync", "mmap"}, f"synced while the peer stood still: {kinds}"
    assert not workload.errors(requests) and not workload.broken(requests)
    cluster.assert_nothing_missing(requests)
    cluster.assert_equal()
