"""Each planted bug of src/platform/planted.h is found by the scenario that is to find it: a test that finds none of what is
wrong proves nothing about what is right (R19). One that escapes fails here, and so does one that nobody looks for."""
import functools
import re

import pytest
import scenarios
from powered import ROOT, Broken

FINDS = {   # number: who finds it
    201: scenarios.a_sync_is_on_both_disks,
    202: scenarios.a_sync_is_on_both_disks,
    203: scenarios.drained_is_durable,
    204: scenarios.the_end_of_a_copy_is_durable,
    205: scenarios.a_complete_copy_is_durable,
    206: scenarios.exactly_what_was_applied_returns,
    207: scenarios.writes_are_in_one_order,
    208: functools.partial(scenarios.a_drain_that_fails_is_no_drain, who="b", how="lose"),
    209: functools.partial(scenarios.a_sync_that_fails_is_no_sync, who="b"),
    210: functools.partial(scenarios.a_sync_that_fails_is_no_sync, who="a"),
    211: scenarios.a_mark_holds_what_the_state_says,
    212: scenarios.an_id_is_given_once_without_a_state,
    213: scenarios.what_was_configured_is_there,
    214: scenarios.what_was_configured_is_there,
    215: scenarios.what_is_not_applied_does_not_return,
    216: scenarios.a_sync_waits_for_the_disk_there,
}


def test_each_is_looked_for():
    text = (ROOT / "src" / "platform" / "planted.h").read_text(encoding="utf-8")
    assert set(FINDS) == {int(number) for number in re.findall(r"PLANTED_\w+ =\s*(\d+)", text)}


def test_none_is_in_the_product():
    for program in ("fs/evenkeel-fs", "cli/evenkeel", "daemon/evenkeeld", "hold/evenkeel-hold"):
        found = b"EVENKEEL_PLANTED" in (scenarios.BUILD / "src" / program).read_bytes()
        assert not found, f"{program} can be told to be wrong"
    assert b"EVENKEEL_PLANTED" in scenarios.EVENKEEL_PLANTED.read_bytes()       # so it would be seen


@pytest.mark.parametrize("number", sorted(FINDS))
def test_planted(place, number):
    with pytest.raises(Broken) as found:
        FINDS[number](place, plant=number)
    print(f"planted bug {number}: {found.value}")


@pytest.mark.parametrize("number", [201, 202])
def test_planted_and_cut_at_any_moment(place, number):
    """The judge of every moment sees a sync that was not done, too."""
    with pytest.raises(Broken) as found:
        scenarios.a_cut_at_any_moment_loses_nothing_synced(place, plant=number)
    print(f"planted bug {number}: {found.value}")
