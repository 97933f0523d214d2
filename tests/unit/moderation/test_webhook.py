"""When events go to the operator's endpoint, what is tried again and what is given up."""

import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Mapping, Sequence
from itertools import count
from typing import NamedTuple

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from signald.moderation.webhook import (
    AT_ONCE,
    ATTEMPT_WITHIN_S,
    FIRST_RETRY_S,
    GIVE_UP_S,
    LONGEST_RETRY_S,
    LOOK_S,
    MAX_QUEUED,
    STOP_WITHIN_S,
    Webhook,
    signed,
)
from signald.settings.values import webhook_secret

SECRET = b"0123456789abcdef"
START = 1_700_000_000.9
"""What the clock on the wall shows when each test begins."""


class Attempt(NamedTuple):
    """A request, which the test answers with a status or an exception."""

    body: bytes
    headers: Mapping[str, str]
    answer: "Deferred[int]"


def event(number: int) -> bytes:
    return json.dumps({"type": "report", "number": number}).encode()


def signature(headers: Mapping[str, str], body: bytes) -> str:
    """As a receiver reckons it, from the specification."""
    text = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
    return "v1," + base64.b64encode(hmac.new(SECRET, text, hashlib.sha256).digest()).decode()


class Deliveries(SynchronousTestCase):
    """A webhook whose requests the test answers, on a clock that the test moves."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.attempts: list[Attempt] = []
        self.cancelled: list[Deferred[int]] = []
        self.jitter = 0.0
        ids = count()
        self.webhook = Webhook(
            self.post,
            where="hooks.example",
            secret=SECRET,
            new_id=lambda: f"event_{next(ids)}",
            unix_time=lambda: START + self.clock.seconds(),
            clock=self.clock,
            jitter=lambda: self.jitter,
        )
        self.webhook.startService()

    def post(self, body: bytes, headers: Mapping[str, str]) -> Awaitable[int]:
        self.attempts.append(Attempt(body, headers, Deferred(self.cancelled.append)))
        return self.attempts[-1].answer

    def deliver(self, *numbers: int) -> None:
        for number in numbers:
            self.webhook.deliver(event(number))

    def advance(self, seconds: float, step: float = LOOK_S) -> None:
        self.clock.pump([step] * round(seconds / step))

    def answer(self, *outcomes: int | Exception) -> None:
        """Answer the oldest open requests."""
        waiting = [attempt.answer for attempt in self.attempts if not attempt.answer.called]
        for outcome, answer in zip(outcomes, waiting, strict=False):
            if isinstance(outcome, int):
                answer.callback(outcome)
            else:
                answer.errback(outcome)

    def tried(self) -> list[int]:
        return [json.loads(attempt.body)["number"] for attempt in self.attempts]

    def counts(self) -> tuple[int, int, int, int]:
        webhook = self.webhook
        return (webhook.delivered, webhook.failed, webhook.lost, len(webhook))

    def test_signed(self) -> None:
        """The endpoint cannot tell our events from those that somebody else makes up."""
        self.deliver(1)
        (attempt,) = self.attempts
        self.assertEqual(attempt.body, event(1))
        self.assertEqual(attempt.headers["content-type"], "application/json")
        self.assertRegex(attempt.headers["user-agent"], r"^signald/\d")
        self.assertEqual(attempt.headers["webhook-id"], "event_0")
        self.assertEqual(attempt.headers["webhook-timestamp"], "1700000000")
        self.assertEqual(attempt.headers["webhook-signature"], signature(attempt.headers, attempt.body))
        self.answer(204)
        self.assertEqual(self.counts(), (1, 0, 0, 0))

    def test_the_same_event_again(self) -> None:
        """Each retry counts as one more report, or is refused as too old."""
        self.deliver(1)
        self.answer(500)
        self.advance(FIRST_RETRY_S)
        first, second = self.attempts
        self.assertEqual(second.headers["webhook-id"], first.headers["webhook-id"])
        self.assertEqual(second.headers["webhook-timestamp"], "1700000001")
        self.assertEqual(second.headers["webhook-signature"], signature(second.headers, second.body))
        self.answer(200)
        self.assertEqual(self.counts(), (1, 1, 0, 0))

    def test_statuses(self) -> None:
        """A report is dropped for a moment's trouble, or one that is refused is sent for a day."""
        for status in (200, 201, 204, 299):
            self.deliver(0)
            self.answer(status)
        self.assertEqual(self.counts(), (4, 0, 0, 0))
        for status in (400, 401, 403, 404, 410, 413, 422, 499):
            self.deliver(0)
            self.answer(status)
        self.assertEqual(self.counts(), (4, 8, 8, 0))
        again = (408, 425, 429, 500, 502, 503, 301, 308, OSError("refused"), ValueError())
        for outcome in again:
            self.deliver(0)
            self.answer(outcome)
            self.assertEqual(len(self.webhook), 1, outcome)
            self.advance(FIRST_RETRY_S)
            self.answer(200)
        self.assertEqual(self.counts(), (4 + len(again), 8 + len(again), 8, 0))

    def test_longer_and_longer(self) -> None:
        """An endpoint that is ill is kept from getting well; or found again hours later."""
        self.deliver(1)
        waits = []
        for _ in range(12):
            self.answer(503)
            failed_at = self.clock.seconds()
            tried = len(self.attempts)
            while len(self.attempts) == tried:
                self.clock.advance(LOOK_S)
            waits.append(self.clock.seconds() - failed_at)
        doubled = [FIRST_RETRY_S * 2**number for number in range(12)]
        self.assertEqual(waits, [min(wait, LONGEST_RETRY_S) for wait in doubled])

    def test_not_in_step(self) -> None:
        """All instances come back to an endpoint in the same moment."""
        self.deliver(1)
        self.answer(503)
        self.advance(FIRST_RETRY_S)
        self.jitter = 1.0
        self.answer(503)
        self.advance(FIRST_RETRY_S)
        self.assertEqual(len(self.attempts), 3, "half of two seconds")

    def test_no_answer(self) -> None:
        """An endpoint that hangs holds up its events for ever."""
        self.deliver(1)
        self.advance(ATTEMPT_WITHIN_S - LOOK_S)
        self.assertEqual(self.cancelled, [])
        self.advance(LOOK_S)
        self.assertEqual(self.cancelled, [self.attempts[0].answer])
        self.assertEqual(self.counts(), (0, 1, 0, 1))
        self.advance(FIRST_RETRY_S)
        self.answer(200)
        self.assertEqual(self.counts(), (1, 1, 0, 0))

    def test_a_few_at_once(self) -> None:
        """A burst of reports is a storm on the endpoint; or each waits for the one before."""
        self.deliver(*range(20))
        self.assertEqual(self.tried(), list(range(AT_ONCE)), "oldest first")
        self.answer(200, 200)
        self.assertEqual(self.tried(), list(range(AT_ONCE + 2)), "at once")
        while len(self.webhook):
            self.answer(200)
            self.assertLessEqual(sum(not attempt.answer.called for attempt in self.attempts), AT_ONCE)
        self.assertEqual(self.tried(), list(range(20)))

    def test_down_and_back(self) -> None:
        """A thousand reports that wait hammer an endpoint that restarts; or are lost."""
        self.deliver(*range(MAX_QUEUED))
        self.answer(*[OSError("refused")] * AT_ONCE)
        self.assertEqual(len(self.attempts), AT_ONCE)
        for number in range(5):
            before = len(self.attempts)
            self.advance(FIRST_RETRY_S * 2**number - LOOK_S)
            self.assertEqual(len(self.attempts), before, "four at once are one failure")
            self.advance(LOOK_S)
            self.assertEqual(len(self.attempts), before + 1, "one at a time")
            self.advance(ATTEMPT_WITHIN_S / 2)
            self.assertEqual(len(self.attempts), before + 1)
            self.answer(503)
        self.advance(FIRST_RETRY_S * 2**5)
        self.answer(200)
        self.advance(LOOK_S)
        for _ in range(MAX_QUEUED):
            self.answer(200)
        self.advance(LONGEST_RETRY_S)
        self.answer(*[200] * AT_ONCE)
        self.advance(LOOK_S)
        self.answer(*[200] * AT_ONCE)
        self.assertEqual(self.counts(), (MAX_QUEUED, AT_ONCE + 5, 0, 0))

    def test_one_that_it_chokes_on(self) -> None:
        """One report at which the endpoint fails holds up all after it, or is sent with each of them again."""
        self.deliver(0, *range(1, 101))
        for number in range(101, 201):
            self.deliver(number)
            for _ in range(4):
                for attempt in list(self.attempts):
                    if not attempt.answer.called:
                        attempt.answer.callback(500 if attempt.body == event(0) else 200)
                self.advance(LOOK_S)
        self.assertEqual((self.webhook.delivered, len(self.webhook)), (200, 1))
        self.assertLess(self.webhook.failed, 10)
        self.advance(LONGEST_RETRY_S)
        self.answer(503)
        self.deliver(201)
        self.advance(LONGEST_RETRY_S)
        self.assertEqual(self.tried()[-1], 201, "the newer one goes first")

    def test_gateway_without_endpoint(self) -> None:
        """While a gateway answers 404 for an endpoint that restarts, all that waited is thrown away."""
        self.deliver(*range(20))
        self.answer(*[503] * AT_ONCE)
        self.advance(FIRST_RETRY_S)
        self.answer(404)
        self.advance(FIRST_RETRY_S)
        self.assertEqual(len(self.attempts), AT_ONCE + 1)
        self.assertEqual((self.webhook.lost, len(self.webhook)), (1, 19))

    def test_full(self) -> None:
        """Reports fill the memory while the endpoint is down; or the newest are refused for the oldest."""
        self.deliver(*range(MAX_QUEUED + 3))
        self.assertEqual(self.counts(), (0, 0, 3, MAX_QUEUED))
        for _ in range(MAX_QUEUED):
            self.answer(200)
        self.assertEqual(self.counts(), (MAX_QUEUED, 0, 3, 0))
        dropped = set(range(AT_ONCE, AT_ONCE + 3))  # the oldest of those that wait
        self.assertEqual(set(self.tried()), set(range(MAX_QUEUED + 3)) - dropped)

    def test_a_day(self) -> None:
        """Reports of last week arrive when nobody wants them any more."""
        self.deliver(*range(400))
        self.answer(*[503] * AT_ONCE)
        while self.clock.seconds() < GIVE_UP_S:
            self.assertEqual(self.webhook.lost, 0)
            self.answer(503)
            self.advance(LONGEST_RETRY_S / 2, LONGEST_RETRY_S / 2)
        self.answer(503)
        self.advance(LOOK_S)
        self.assertEqual((self.webhook.lost, len(self.webhook)), (400, 0))
        self.assertLess(len(self.attempts), 600)

    def test_on_its_way_after_a_day(self) -> None:
        """A report counts as lost that has arrived."""
        self.deliver(0)
        while (left := GIVE_UP_S - LOOK_S - self.clock.seconds()) > LONGEST_RETRY_S:
            self.answer(503)
            self.advance(LONGEST_RETRY_S, LONGEST_RETRY_S)
        self.jitter = 2 * (1 - left / LONGEST_RETRY_S)  # so that the last attempt begins just in time
        self.answer(503)
        self.advance(left)
        self.advance(2 * LOOK_S)
        self.answer(200)
        self.assertEqual((self.webhook.delivered, self.webhook.lost), (1, 0))

    def test_down_for_weeks(self) -> None:
        """After some days without an endpoint no report is ever sent again."""
        for day in range(14):
            self.deliver(day)
            for _ in range(288):
                self.answer(503)
                self.advance(LONGEST_RETRY_S, LONGEST_RETRY_S)
        self.assertGreater(self.webhook.failed, 2000)
        self.deliver(14)
        self.advance(LONGEST_RETRY_S, LONGEST_RETRY_S)
        self.answer(*[200] * 9)
        self.advance(LONGEST_RETRY_S, LONGEST_RETRY_S)
        self.answer(*[200] * 9)
        self.assertEqual(len(self.webhook), 0)
        self.assertIn(14, self.tried())

    def test_what_is_left_at_the_end(self) -> None:
        """A restart loses the reports of the last moments."""
        self.deliver(*range(AT_ONCE + 2))
        stopped = self.webhook.stopService()
        self.assertNoResult(stopped)
        for _ in range(AT_ONCE + 2):
            self.answer(200)
        self.successResultOf(stopped)
        self.assertEqual(self.counts(), (AT_ONCE + 2, 0, 0, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_end_does_not_wait_long(self) -> None:
        """A daemon that stops waits for an endpoint that does not answer, and is killed."""
        self.deliver(*range(AT_ONCE + 2))
        with capturedLogs() as events:
            stopped = self.webhook.stopService()
            self.answer(200)
            self.clock.advance(STOP_WITHIN_S)
        self.successResultOf(stopped)
        self.assertEqual(self.counts(), (1, 0, AT_ONCE + 1, 0))
        self.assertEqual(len(self.cancelled), AT_ONCE)
        self.assertEqual(len(self.attempts), AT_ONCE + 1, "nothing takes the place of what is cancelled")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        (line,) = lines(events)
        self.assertIn("5 events for hooks.example are lost", line)
        self.deliver(0)
        self.assertEqual(self.counts(), (1, 0, AT_ONCE + 2, 0))

    def test_the_end_while_it_is_down(self) -> None:
        """A daemon whose endpoint is down takes longer to stop, for nothing."""
        self.deliver(*range(AT_ONCE + 2))
        self.answer(503)
        stopped = self.webhook.stopService()
        self.successResultOf(stopped)
        self.assertEqual(self.counts(), (0, 1, AT_ONCE + 2, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_it_fails_in_the_end(self) -> None:
        """The last reports hammer an endpoint that goes down at the same time."""
        self.deliver(*range(20))
        stopped = self.webhook.stopService()
        self.answer(*[503] * AT_ONCE)
        self.successResultOf(stopped)
        self.assertEqual(self.counts(), (0, AT_ONCE, 20, 0))
        self.assertEqual(len(self.attempts), AT_ONCE)

    def test_it_fails_slowly_in_the_end(self) -> None:
        """The end of a daemon is one more storm on an endpoint that is down."""
        self.deliver(*range(20))
        stopped = self.webhook.stopService()
        self.answer(*[503] * (AT_ONCE - 1))
        self.clock.advance(FIRST_RETRY_S + LOOK_S)
        self.assertNoResult(stopped)
        self.answer(503)
        self.successResultOf(stopped)
        self.assertEqual(len(self.attempts), AT_ONCE)

    def test_log(self) -> None:
        """Nobody learns that reports do not arrive, and why; or whoever reads the log reads them."""
        with capturedLogs() as events:
            self.deliver(1, 2)
            self.answer(200)
            self.assertEqual(events, [])
            self.answer(503)
            self.deliver(3)
            self.advance(FIRST_RETRY_S)
            self.answer(OSError("refused"))
            self.advance(2 * FIRST_RETRY_S)
            self.answer(200)
            self.advance(2 * FIRST_RETRY_S)
            self.answer(410)
            self.deliver(4)
            self.advance(ATTEMPT_WITHIN_S)
        self.assertEqual(
            lines(events),
            [
                "warn: hooks.example takes no events (HTTP status 503); they wait",
                "info: hooks.example takes events again",
                "warn: event event_2 for hooks.example is lost: HTTP status 410",
                "warn: hooks.example takes no events (no answer); they wait",
            ],
        )
        for secret in ("number", "v1,", SECRET.decode()):
            self.assertNotIn(secret, repr(lines(events)))


def lines(events: Sequence[LogEvent]) -> list[str]:
    return [f"{event['log_level'].name}: {formatEvent(event)}" for event in events]


class Senders(SynchronousTestCase):
    """What a sender may do that is not nice."""

    def test_answers_within_the_call(self) -> None:
        """A report ends the client that makes it, by an exception."""
        clock = Clock()
        answers = [succeed(200)] * MAX_QUEUED
        webhook = Webhook(
            lambda *_: answers.pop(),
            where="",
            secret=SECRET,
            new_id=lambda: "id",
            unix_time=lambda: 0,
            clock=clock,
            jitter=lambda: 0,
        )
        webhook.startService()
        for _ in range(MAX_QUEUED):
            webhook.deliver(b"{}")
        webhook.deliver(b"{}")
        self.assertEqual((webhook.delivered, webhook.failed, len(webhook)), (MAX_QUEUED, 1, 1))
        answers += [succeed(200)] * (MAX_QUEUED + 1)
        for _ in range(MAX_QUEUED):
            webhook.deliver(b"{}")
        clock.pump([LOOK_S] * 4)
        self.assertEqual((webhook.delivered, webhook.lost, len(webhook)), (2 * MAX_QUEUED, 1, 0))


def test_the_specifications_own_example() -> None:
    """Receivers that use a library of Standard Webhooks refuse every event."""
    headers = signed(
        webhook_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("whsec_MDEyMzQ1Njc4OWFiY2RlZg==", SECRET),
        ("0123456789abcdef", SECRET),
        ("MDEyMzQ1Njc4OWFiY2RlZg==", b"MDEyMzQ1Njc4OWFiY2RlZg=="),
        ("ключключ", "ключключ".encode()),
    ],
)
def test_secrets(text: str, secret: bytes) -> None:
    """Events are signed with a key that is not the receiver's."""
    assert webhook_secret(text) == secret


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("whsec_MDEyMzQ1Njc4OWFiY2RlZg", "base64"),
        ("whsec_MDEyMzQ1Njc4OWFiY2RlZg==\n", "base64"),
        ("whsec_MDEy-zQ1Njc4OWFiY2RlZg==", "base64"),
        ("whsec_ключ", "base64"),
        ("whsec_MDEyMzQ1Njc4OWFiY2Rl", "16 bytes"),
        ("whsec_", "16 bytes"),
        ("0123456789abcde", "16 bytes"),
    ],
)
def test_broken_secrets(text: str, words: str) -> None:
    """A slip in the secret is found by an attacker, or when the first report is refused."""
    with pytest.raises(ValueError, match=words) as error:
        webhook_secret(text)
    assert text[6:] == "" or text[6:] not in str(error.value)
