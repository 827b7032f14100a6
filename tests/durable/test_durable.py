"""The product keeps what it says of durability: every scenario, with its own program."""
import pytest
import scenarios


@pytest.mark.parametrize("durability", ["call", "fsync"])
def test_a_sync_is_on_both_disks(place, durability):
    scenarios.a_sync_is_on_both_disks(place, durability=durability)


@pytest.mark.parametrize("who", ["a", "b"])
def test_a_sync_that_fails_is_no_sync(place, who):
    scenarios.a_sync_that_fails_is_no_sync(place, who=who)


@pytest.mark.parametrize("how", ["fail", "lose"])
@pytest.mark.parametrize("who", ["a", "b"])
def test_a_drain_that_fails_is_no_drain(place, who, how):
    scenarios.a_drain_that_fails_is_no_drain(place, who=who, how=how)


def test_the_end_of_a_copy_is_durable(place):
    scenarios.the_end_of_a_copy_is_durable(place)


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_drained_is_durable(place, kind):
    scenarios.drained_is_durable(place, kind=kind)


def test_a_mark_holds_what_the_state_says(place):
    scenarios.a_mark_holds_what_the_state_says(place)


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_complete_copy_is_durable(place, kind):
    scenarios.a_complete_copy_is_durable(place, kind=kind)


def test_an_id_is_given_once(place):
    scenarios.an_id_is_given_once(place)


def test_an_id_is_given_once_without_a_state(place):
    scenarios.an_id_is_given_once_without_a_state(place)


def test_what_was_configured_is_there(place):
    scenarios.what_was_configured_is_there(place)


def test_writes_are_in_one_order(place):
    scenarios.writes_are_in_one_order(place)


def test_exactly_what_was_applied_returns(place):
    scenarios.exactly_what_was_applied_returns(place)


@pytest.mark.parametrize("durability", ["call", "fsync"])
def test_a_sync_waits_for_the_disk_there(place, durability):
    scenarios.a_sync_waits_for_the_disk_there(place, durability=durability)


def test_what_is_not_applied_does_not_return(place):
    scenarios.what_is_not_applied_does_not_return(place)


@pytest.mark.parametrize(("kind", "moments"), [("ext4", 8), ("xfs", 3)])
def test_a_cut_at_any_moment_loses_nothing_synced(place, kind, moments):
    scenarios.a_cut_at_any_moment_loses_nothing_synced(place, kind=kind, moments=moments)
