"""Pairs and routes between many processes: any number of instances on one Redis or Valkey behave as one.

Who knows whom, lowest first::

    letters       what instances say to each other          (pure)
    links         numbered batches: order, once, gaps        (pure)
    rooms, halves rooms with other instances, held relays, which half has no connection (pure)
    outside       what the pairing asks for, and gets        (pure)
    pairing       tickets, claims, rooms: match and confirm  (pure: no clock, no I/O)
    keys, url     names in the store, where the store is     (pure)
    problems      what an error of the store means           (pure)
    protocol      commands and replies of one server         (the only file that imports txredisapi)
    timeouts      calls that are not answered in time
    connection    one connection to the store
    primary       which server is the primary now
    mailbox       reads the letters to this instance
    access        both connections as one, and what becomes of each refusal
    store         the store's operations: Lua scripts, streams
    errands       what the pairing asks for, done
    post          letters on their way: links and streams
    parked        sessions that stand in the store
    moving        sessions on their way from one instance to another
    inbox         reports that all share
    moderation    bans and blocks that all share
    questions     what one asks all others
    peers         which other instances live
    membership    this instance's lease and name, and what was missed during an outage
    broker        all of them as one `Broker`
    probe         asks a store once whether it will do

The reasons are in docs/decisions/0010-match-and-confirm.md and 0011-streams.md.
"""
