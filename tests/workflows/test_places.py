"""Who is next for the scheduler's queue."""

from qdsim.workflows.places import Begun, Candidate, Rules, decide

CLUSTER, LAPTOP = 1, 2
ONE, OTHER = 10, 20


def candidate(
    pk: int, cost: float, computer: int = CLUSTER, campaign: int = ONE, digest: str | None = None, held: bool = False
) -> Candidate:
    return Candidate(pk, computer, campaign, cost, digest, held)


def begun(computer: int = CLUSTER, campaign: int = ONE, digest: str | None = None, queued: bool = True) -> Begun:
    return Begun(computer, campaign, digest, queued)


def test_the_most_expensive_come_first_and_the_older_among_equals() -> None:
    waiting = [candidate(1, 5.0), candidate(4, 9.0), candidate(3, 9.0), candidate(2, 1.0)]
    assert decide(waiting, [], {CLUSTER: 3}, {}).admitted == [3, 4, 1]
    assert decide(waiting, [], {CLUSTER: None}, {}).admitted == [3, 4, 1, 2]


def test_jobs_that_have_left_the_queue_hold_no_place() -> None:
    waiting = [candidate(1, 5.0), candidate(2, 1.0)]
    jobs = [begun(), begun(queued=False), begun(computer=LAPTOP)]
    assert decide(waiting, jobs, {CLUSTER: 2}, {}).admitted == [1]
    assert decide(waiting, [*jobs, begun(), begun()], {CLUSTER: 2}, {}).admitted == []


def test_a_campaign_keeps_to_its_own_limit_and_leaves_the_rest_to_others() -> None:
    waiting = [candidate(1, 9.0), candidate(2, 8.0), candidate(3, 1.0, campaign=OTHER)]
    assert decide(waiting, [begun()], {CLUSTER: 5}, {ONE: Rules(at_once=2)}).admitted == [1, 3]
    assert decide(waiting, [], {CLUSTER: 5}, {ONE: Rules(paused=True, at_once=2)}).admitted == [3]


def test_of_equal_inputs_one_goes_and_the_other_is_held_until_it_has_ended() -> None:
    twins = [candidate(1, 2.0, digest="same"), candidate(2, 2.0, digest="same"), candidate(3, 1.0, digest="own")]
    first = decide(twins, [], {}, {})
    assert (first.admitted, first.held, first.released) == ([1, 3], [2], [])
    held = candidate(2, 2.0, digest="same", held=True)
    parsing = decide([held], [begun(digest="same", queued=False)], {}, {})
    assert (parsing.admitted, parsing.held, parsing.released) == ([], [2], [])
    full = decide([held], [begun()], {CLUSTER: 1}, {})
    assert (full.admitted, full.held, full.released) == ([], [], [2])


def test_without_the_cache_equal_inputs_are_no_reason_to_wait() -> None:
    waiting = [candidate(1, 2.0), candidate(2, 2.0)]
    assert decide(waiting, [begun(digest="other")], {}, {}).admitted == [1, 2]
