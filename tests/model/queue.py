"""What ``match.lua`` does, said again in Python: the store's queue for the model, compared with the script itself."""

SEEN_AT_MOST = 200


def match(
    queue: dict[str, int], alive: set[str], own: str, former: str, place: int, shunned: frozenset[str] = frozenset()
) -> str | None:
    """Find a partner for a ticket, or file it.

    Args:
        queue: Filed tickets with their places; changed.
        alive: Instances that have a lease.
        own: The ticket as it is filed.
        former: How it may have been filed before, or empty.
        place: Its place.
        shunned: Instances whose tickets are left alone.

    Returns:
        The ticket that was taken, or None if `own` was filed.
    """
    _, client, _, avoid = own.split("|")
    # The script looks at ten at a time, and this is a multiple of ten.
    for ticket in sorted(queue, key=lambda ticket: (queue[ticket], ticket))[:SEEN_AT_MOST]:
        instance, their_client, _, their_avoid = ticket.split("|")
        if instance not in alive:
            del queue[ticket]
        elif client not in (their_client, their_avoid) and their_client != avoid and instance not in shunned:
            for gone in (ticket, own, former):
                queue.pop(gone, None)
            return ticket
    queue.pop(former, None)
    queue[own] = place
    return None
