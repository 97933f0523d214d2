"""What importing does, in a process of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_core_knows_no_network() -> None:
    """The rules of pairing cannot be read, tested or used without Twisted."""
    names = "messages, session, matching, limits, ids, ice"
    loaded = modules_after(f"from signald.core import {names}")
    assert "signald.core.session" in loaded
    assert not {name for name in loaded if name.split(".")[0] in {"twisted", "autobahn", "txaio", "zope", "asyncio"}}


def test_the_broker_interface_knows_no_network() -> None:
    """A broker cannot be written without Twisted."""
    loaded = modules_after("import signald.brokers.interface")
    assert not {name for name in loaded if name.split(".")[0] in {"twisted", "autobahn", "txredisapi"}}


def test_tokens_are_checked_without_network() -> None:
    """A token cannot be tried in a shell; or checking one asks the network, and everybody waits."""
    loaded = modules_after("import signald.identity.tokens, signald.identity.signing_keys")
    assert not {name for name in loaded if name.split(".")[0] in {"twisted", "autobahn"}}


def test_no_reactor_is_installed() -> None:
    """An operator's `twistd --reactor=...` is too late, or a program that embeds signald has the wrong reactor."""
    for statement in ("import signald.tap", "from twisted.plugins import signald_plugin", "import signald.daemon"):
        assert "twisted.internet.reactor" not in modules_after(statement), statement


def test_the_plugin_is_light() -> None:
    """Each `twistd` of the machine, for whatever plugin, loads all of signald."""
    loaded = modules_after("from twisted.plugins import signald_plugin")
    assert "twisted.plugins.signald_plugin" in loaded
    assert not {name for name in loaded if name.startswith(("signald.", "autobahn", "msgspec"))}


def test_the_load_tool_needs_no_daemon() -> None:
    """It has to be started beside the daemon that it loads, and loads all of it before it says anything."""
    loaded = modules_after("import signald.load.cli")
    ours = {name for name in loaded if name.startswith("signald.")}
    assert "signald.load.run" in ours
    assert not {name for name in loaded if name.split(".")[0] in {"twisted", "autobahn"}}
    assert {name.split(".")[1] for name in ours} == {"core", "load"}
