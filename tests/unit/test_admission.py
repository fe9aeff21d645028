"""Admission: a place for each in turn, a bounded wait, and no place lost."""

import asyncio
from collections import Counter

import pytest

from runtime.http.admission import Admission, Busy


def _admission(queue_length: int = 10, queue_seconds: float = 5.0, slots: int = 1) -> Admission[int]:
    return Admission(list(range(slots)), queue_length=queue_length, queue_seconds=queue_seconds)


async def _hold(admission: Admission[int], order: list[str], name: str, release: asyncio.Event) -> None:
    async with admission.slot("somebody"):
        order.append(name)
        await release.wait()


async def _served(arrivals: str, queue_length: int = 100, leaving: str = "") -> tuple[str, Counter[str]]:
    """Submissions of users named by a letter, all there before the first is done: who was served, and who was refused."""
    admission, order, refused = _admission(queue_length), list[str](), Counter[str]()

    async def submit(user: str) -> None:
        try:
            async with admission.slot(user):
                order.append(user)
                await asyncio.sleep(0)
        except Busy as busy:
            refused[f"{user} {busy.reason}"] += 1

    tasks = [(user, asyncio.create_task(submit(user))) for user in arrivals]
    async with admission.slot("first of all"):
        await asyncio.sleep(0)
        for user, task in tasks:
            if user in leaving:
                task.cancel()
    await asyncio.gather(*(task for _, task in tasks), return_exceptions=True)
    assert (admission.held, admission.waiting) == (0, 0)
    return "".join(order), refused


@pytest.mark.parametrize(
    ("arrivals", "served"),
    [
        ("aaaa", "aaaa"),
        ("abcd", "abcd"),
        ("aaaaaaaaaab", "abaaaaaaaaa"),
        ("aaabbbc", "abcabab"),
        ("abab" + "c", "abcab"),
    ],
)
def test_users_take_turns_and_each_ones_own_go_in_their_order(arrivals: str, served: str) -> None:
    assert asyncio.run(_served(arrivals))[0] == served


def test_the_first_of_another_comes_before_the_next_of_whoever_is_being_served() -> None:
    async def scenario() -> list[str]:
        admission, order, release = _admission(), list[str](), asyncio.Event()

        async def submit(user: str) -> None:
            async with admission.slot(user):
                order.append(user)
                await release.wait()

        tasks = []
        for user in "aaaab":
            tasks.append(asyncio.create_task(submit(user)))
            await asyncio.sleep(0)
        release.set()
        await asyncio.gather(*tasks)
        return order

    assert "".join(asyncio.run(scenario())) == "abaaa"


def test_a_full_queue_is_shared_as_the_slots_are() -> None:
    served, refused = asyncio.run(_served("aaaabc", queue_length=4))
    assert served == "abca"
    assert refused == {"a displaced": 2}
    served, refused = asyncio.run(_served("abcda", queue_length=4))
    assert served == "abcd"
    assert refused == {"a queue_full": 1}


def test_whoever_leaves_costs_the_others_nothing() -> None:
    assert asyncio.run(_served("aaxxxxbb", leaving="x"))[0] == "abab"


def test_those_who_wait_are_served_in_the_order_of_their_coming() -> None:
    async def scenario() -> list[str]:
        admission, order, release = _admission(), list[str](), asyncio.Event()
        tasks = []
        for name in "abcd":
            tasks.append(asyncio.create_task(_hold(admission, order, name, release)))
            await asyncio.sleep(0)
        assert (admission.held, admission.waiting) == (1, 3)
        release.set()
        await asyncio.gather(*tasks)
        assert (admission.held, admission.waiting) == (0, 0)
        return order

    assert asyncio.run(scenario()) == list("abcd")


def test_the_wait_is_bounded() -> None:
    async def scenario() -> None:
        admission, release = _admission(queue_seconds=0.05), asyncio.Event()
        holder = asyncio.create_task(_hold(admission, [], "a", release))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match=r"within 0\.05 s"):
            async with admission.slot("somebody"):
                pass
        assert admission.waiting == 0
        release.set()
        await holder

    asyncio.run(scenario())


def test_a_full_queue_turns_away_at_once() -> None:
    async def scenario() -> None:
        admission, release = _admission(queue_length=0), asyncio.Event()
        holder = asyncio.create_task(_hold(admission, [], "a", release))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="waiting already"):
            async with admission.slot("somebody"):
                pass
        release.set()
        await holder

    asyncio.run(scenario())


def test_whoever_leaves_gives_up_the_place_in_the_queue() -> None:
    async def scenario() -> list[str]:
        admission, order, release = _admission(), list[str](), asyncio.Event()
        tasks = {}
        for name in "abc":
            tasks[name] = asyncio.create_task(_hold(admission, order, name, release))
            await asyncio.sleep(0)
        tasks["b"].cancel()
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        return order

    assert asyncio.run(scenario()) == ["a", "c"]


def test_a_place_that_was_handed_to_one_who_leaves_at_that_moment_is_not_lost() -> None:
    async def scenario() -> None:
        admission, release = _admission(), asyncio.Event()
        holder = asyncio.create_task(_hold(admission, [], "a", release))
        await asyncio.sleep(0)
        leaver = asyncio.create_task(_hold(admission, [], "b", release))
        await asyncio.sleep(0)
        release.set()
        await asyncio.sleep(0)  # the holder has given its place to the leaver, who has not run since
        leaver.cancel()
        await asyncio.gather(holder, leaver, return_exceptions=True)
        assert (admission.held, admission.waiting) == (0, 0)

    asyncio.run(scenario())


def test_there_are_as_many_places_as_items() -> None:
    async def scenario() -> None:
        admission = _admission(slots=2)
        async with admission.slot("somebody") as first, admission.slot("somebody") as second:
            assert {first, second} == {0, 1}

    asyncio.run(scenario())
