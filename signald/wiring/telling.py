"""Makes what tells the operator what happens."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from signald.core.events import EventKind
from signald.moderation import webhook
from signald.moderation.calls import Calls
from signald.moderation.webhook import Webhook
from signald.settings.operating import OperatorSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What takes news to the operator's endpoint; each is None if it is not wanted.

    Attributes:
        reports: Takes reports.
        rooms: Takes what becomes of rooms: apart, for these are many, and reports must not be lost for them.
        calls: Makes the latter.
    """

    reports: Webhook | None = None
    rooms: Webhook | None = None
    calls: Calls | None = None


def make_told(
    *,
    operator: OperatorSettings,
    instance: Callable[[], str],
    new_id: Callable[[], str],
    reactor: Any,
    unix_time: Callable[[], float],
) -> Told:
    """Make what is wanted by WEBHOOK_EVENTS."""
    url, wanted = operator.report_webhook_url, operator.webhook_events
    if not url:
        return Told()

    def posted() -> Webhook:
        return Webhook(
            webhook.from_url(url, reactor),
            where=urlsplit(url).hostname or "",
            secret=operator.report_webhook_secret,
            new_id=new_id,
            unix_time=unix_time,
            clock=reactor,
            jitter=random.random,
        )

    reports = posted() if EventKind.REPORT in wanted else None
    if wanted <= {EventKind.REPORT}:
        return Told(reports=reports)
    rooms = posted()
    calls = Calls(wanted=wanted, instance=instance, now=reactor.seconds, unix_time=unix_time, deliver=rooms.deliver)
    return Told(reports=reports, rooms=rooms, calls=calls)
