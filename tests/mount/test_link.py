"""What evenkeel-fs tells the next evenkeeld about its stream: a session that went on is in sync. A wrong word there makes
a primary drop its peer, and bring it up to date again, for nothing.

    sudo pytest tests/mount/test_link.py      (EVENKEEL_BUILD=DIR; needs root, /dev/fuse, unshare, nft)
"""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from test_pair import Writers, pair, program  # noqa: F401  (fixtures)

LOST_SECONDS = 3        # the stream may be down for 1 s, and then the watch sees it


def first_words(pair, known):
    """What the next evenkeeld of the primary hears: its link in the hello, and the reports behind it."""
    node = pair.a
    node.listen()
    node.wait_for(lambda: any(each["report"] == "hello" for each in node.reports[known:]), "hello")
    pair.verify()       # answered behind all that was waiting to be said
    said = node.reports[known:]
    return [each["link"] for each in said if each["report"] == "hello"], [each["report"] for each in said]


def break_stream(pair):
    """Its successor goes on with what was received, but nobody hands it a stream."""
    deaths = pair.b.deaths
    pair.b.is_deaf = True
    pair.b.kill()
    pair.b.wait_for(lambda: pair.b.deaths > deaths, "death")


def mend_stream(pair):
    connected = pair.b.count("connected")
    pair.b.is_deaf = False
    pair.b.wait_report("connected", connected)


def test_a_session_that_went_on_is_in_sync(pair):  # noqa: F811
    pair.connect()
    writers = Writers(pair.a.directory, seed=21)
    break_stream(pair)
    pair.a.wait_report("peer_lost")
    mend_stream(pair)
    writers.wait_calls(20)
    pair.a.leave()
    links, _ = first_words(pair, len(pair.a.reports))
    assert links == ["in_sync"]
    writers.stop()
    pair.assert_equal()


def test_a_loss_that_is_over_is_not_told_to_the_next(pair):  # noqa: F811
    pair.connect()
    writers = Writers(pair.a.directory, seed=22)
    pair.a.leave()
    known = len(pair.a.reports)
    break_stream(pair)
    time.sleep(LOST_SECONDS)        # nobody hears the primary complain
    mend_stream(pair)
    writers.wait_calls(20)
    links, reports = first_words(pair, known)
    assert links == ["in_sync"]
    assert "peer_lost" not in reports, reports
    writers.stop()
    pair.assert_equal()


def test_a_loss_that_is_not_over_is_told(pair):  # noqa: F811
    """The negative control of the others."""
    pair.connect()
    pair.a.leave()
    known = len(pair.a.reports)
    break_stream(pair)
    time.sleep(LOST_SECONDS)
    links, reports = first_words(pair, known)
    assert links == ["none"]
    assert "peer_lost" in reports, reports
