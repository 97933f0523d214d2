"""Rules for what a client says of somebody whom it has met: reports and blocks. They change nothing of its session."""

from msgspec import UnsetType

from signald.core.effects import Effects, FileReport, KeepApart
from signald.core.encounters import Encounter, Party
from signald.core.messages import Block, ErrorCode, ProtocolError, Report
from signald.core.standing import Standing


def report(who: Standing, given: Report, now: float) -> Effects:
    """The operator is to know of somebody."""
    return (FileReport(_party(who), _find(who, given.partnerId), given.reason, given.text or ""),)


def block(who: Standing, given: Block, now: float) -> Effects:
    """The two are never to meet again."""
    return (KeepApart(_party(who), _find(who, given.partnerId).partner),)


def _party(who: Standing) -> Party:
    return Party(who.client, who.user)


def _find(who: Standing, partner: str | UnsetType | None) -> Encounter:
    for met in who.met:
        if not partner or met.partner.client == partner:
            return met
    raise ProtocolError(
        ErrorCode.NOT_PAIRED,
        "`partnerId` is neither the partner nor the last one" if partner else "there was no partner yet",
    )
