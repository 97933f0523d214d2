"""A load tool for operators: whole calls against a running service. A program of its own, `signald-load`.

command     what the console script calls: says what is missing, if it is
cli         arguments to a plan, consent, run, summary, exit status
target      whose load it is: address, origin, tokens, trust
run         calls at a rate, until they are made or the time is over
call        two callers, from the first connection to the last farewell
caller      one side: says what browsers say, times each step, names what went wrong
wire        a WebSocket that carries JSON, for `bench` too
payloads    offers, answers and candidates in the sizes of browsers, for `bench` too
tally       what has happened so far; percentiles
thresholds  what is still good, as the operator has said
consent     asks before somebody else's service is loaded
progress    how it goes, while it does
summary     what came out, for people and for programs
"""
