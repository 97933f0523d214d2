"""The Lua scripts name their keys, as a cluster needs it."""

import re

import pytest

from signald.brokers.redis.access import SCRIPTS, Script

_OF_POOLS = {"pool .. 'sides'", "heads_of(like", "heads_of(", "line_of(class"}
MET_ON_THE_WAY = {
    "match": {"lease .. instance", "blocks .. name", "line.key", "key", *_OF_POOLS},
    "unfile": _OF_POOLS,
    "mend": {"ARGV[#ARGV] .. n .. ':' .. key"},
}
"""What scripts know only when they have read the queue, or have looked; the script says so."""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_every_key_is_declared(script: Script) -> None:
    """A server that looks where a script belongs by its keys runs it on the wrong node, or refuses it."""
    text = re.sub(r"--.*", "", script.text.decode())
    known = dict(re.findall(r"local (\w+) = (KEYS\[\d+\])", text))
    for names, values in re.findall(r"local (\w+(?:, \w+)+) = (.+)", text):
        known |= dict(zip(names.split(", "), values.split(", "), strict=False))
    known |= {item: "KEYS[i]" for item in re.findall(r"for \w+, (\w+) in ipairs\(KEYS\)", text)}
    for function, first in re.findall(r"local function (\w+)\((\w+)", text):
        given = re.findall(rf"(?<!function ){function}\(([^,)]+)", text)
        known |= {first: given[0]} if all(argument.startswith("KEYS[") for argument in given) else {}
    used = re.findall(r"redis\.p?call\('(\w+)'(?:, ([^,)]+))?", text)
    assert used
    keys = {key for command, key in used if command != "TIME"}
    assert {key for key in keys if not known.get(key, key).startswith("KEYS[")} == MET_ON_THE_WAY.get(
        script.name, set()
    )
