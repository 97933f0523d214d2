"""What a link counts of the letters that take memory here, whatever becomes of them."""

from hypothesis import given
from hypothesis import strategies as st

from signald.brokers.redis.letters import Letter, Relayed
from signald.brokers.redis.links import MAX_BATCH_LETTERS, Outgoing
from signald.core.ids import RoomId

STEPS = st.lists(st.sampled_from(("add", "add many", "send", "arrived", "failed", "count")), max_size=40)


@given(STEPS)
def test_each_letter_is_counted_once(steps: list[str]) -> None:
    """Rooms end since the memory of letters that arrived long ago seems taken, or nothing bounds what waits."""
    link = Outgoing("a", ("boot", 1))
    written: list[Letter] = []
    counted: list[Letter] = []
    for step in steps:
        before = len(link)
        match step:
            case "add" | "add many":
                for _ in range(1 if step == "add" else MAX_BATCH_LETTERS):
                    written.append(Relayed(RoomId("r"), b"%d" % len(written)))
                    link.add(written[-1])
            case "send":
                link.send()
            case "failed":
                link.failed()
            case "count":
                late = link.count()
                assert late == written[len(written) - len(late) :], "the last ones, for the first time"
                counted += late
                assert len(counted) == len(link), "all that have not arrived"
            case "arrived":
                released = link.arrived()
                assert released == counted[: before - len(link)], "the first ones of those that were counted"
                del counted[: len(released)]
        assert link.counted() == counted
