"""Makes what sessions need to outlive their connections."""

import secrets
from collections.abc import Callable

from signald.clients.terms import Terms
from signald.core.outbox import Shelf
from signald.core.passes import Passes
from signald.moderation.bans import Bans
from signald.settings.groups import ResumingSettings


def make_passes(*, resuming: ResumingSettings) -> Passes:
    """What makes resume tokens, and reads them."""
    return Passes(resuming.resume_secret or secrets.token_urlsafe(32))


def make_terms(
    *, resuming: ResumingSettings, passes: Passes, boot: str, unix_time: Callable[[], float], bans: Bans
) -> Terms | None:
    """How sessions may go on; None if they may not."""
    if not resuming.resume_seconds:
        return None
    return Terms(
        seconds=resuming.resume_seconds,
        at_most=resuming.resume_max_away,
        shelf=Shelf(resuming.resume_session_messages, resuming.resume_session_bytes, resuming.resume_total_bytes),
        passes=passes,
        boot=boot,
        unix_time=unix_time,
        banned=bans.holds_user,
    )
