"""Pairs and routes between many processes: any number of instances on one Redis or Valkey behave as one.

Who knows whom, lowest first::

    letters      what instances say to each other          (pure)
    links        numbered batches: order, once, gaps        (pure)
    rooms        rooms with other instances, held relays    (pure)
    outside      what the pairing asks for, and gets        (pure)
    pairing      tickets, claims, rooms: match and confirm  (pure: no clock, no I/O)
    keys, url    names in the store, where the store is     (pure)
    connection   one connection to the store                (the only file that imports txredisapi)
    store        the store's operations: Lua scripts, streams
    post         letters on their way: links and streams
    moderation   bans and blocks that all share
    questions    what one asks all others
    broker       timers, leases, what happens in each fault

The reasons are in docs/decisions/0010-match-and-confirm.md and 0011-streams.md.
"""
