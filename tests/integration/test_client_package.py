"""The npm package, as a front-end team gets it: packed, installed in an empty folder, and used from there."""

import gzip
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.book import Book, by_settings, javascript_puppet
from tests.support.daemon import DaemonProcess, environment
from tests.support.node import KIT, installed, modules, packed, program, run
from tests.support.proxy import Proxy
from tests.support.tokens import SECRET, sign

PATIENCE_S = 300

MOST_BYTES = {"client": 6_000, "react": 12_000}
"""Of all that a page loads for the session, and for everything, gzipped: what weighs is written anew by each team."""

APP = """
import { createClient, SignalingError } from "@signald/client";
import { Call } from "@signald/client/call";
import { ErrorCode } from "@signald/client/protocol";

const [near, far] = process.argv.slice(2);
const say = (word) => process.stdout.write(`${word}\\n`);
const once = (client, type) => new Promise((resolve) => client.on(type, resolve, { once: true }));
const a = createClient({ url: near }), b = createClient({ url: far });
let left = 0;
b.on("partner-left", () => (left += 1));

await createClient({ url: "nonsense" }).connect().then(() => say("an address that is none"), () => {});
const [{ clientId }] = await Promise.all([a.connect(), b.connect()]);
const matched = once(a, "matched");
await a.available();
await b.available();
if ((await matched).partnerId !== b.clientId || typeof Call !== "function") say("another partner");
await a.available().catch((error) => error instanceof SignalingError && say(error.code === ErrorCode.ALREADY_PAIRED));

const [away, resumed] = [once(a, "close"), once(a, "resumed")];
say("cut");
await away;
a.offer("said while away");
const { state, lost } = await resumed;
say(`resumed ${state} ${lost} ${a.clientId === clientId}`);
b.on("offer", async ({ sdp }) => {
  say(sdp);
  const next = once(b, "partner-left");
  await a.next();
  await next;
  say(`left ${left}`);
  a.close();
  b.close();
  say(`${a.state} ${b.state}`);
});
"""

ASKS_ECHO = """
import { createClient } from "@signald/client";
import WebSocket from "ws";

const client = createClient({ url: process.argv[2], WebSocket });
client.on("data", ({ data }) => {
  console.log(JSON.stringify(data));
  client.close();
});
client.on("matched", () => client.data({ hello: ["there"] }));
await client.connect();
await client.available({ pool: "echo" });
"""

WITH_TOKEN = """
import { createClient } from "@signald/client";

const [url, good, bad] = process.argv.slice(2);
const client = createClient({ url, getToken: async () => good });
await client.connect();
await client.available();
await createClient({ url, getToken: () => bad }).connect().catch(({ code }) => console.log(code));
client.close();
"""

RENDERED = """
import { useRandomChat } from "@signald/client/react";
import { createElement } from "react";
import { renderToString } from "react-dom/server";

const Chat = () => createElement("p", null, useRandomChat({ getToken: () => "token", storage: null }).state);
console.log(renderToString(createElement(Chat)));
"""

TYPED = """
import { createClient, type ClientState } from "@signald/client";
import { Call } from "@signald/client/call";
import { ErrorCode, MAX_REPORT_LENGTH, type OkMessage, type ServerMessage } from "@signald/client/protocol";

const client = createClient({ url: "wss://example.org/ws", getToken: async () => "token", logger: console });
const stop: () => void = client.on("state", (state: ClientState) => console.log(state.toUpperCase()), { once: true });
client.on("matched", ({ initiator, iceServers, roomId }) => {
  const call = new Call({ initiator: initiator ?? false, stream: null, iceServers: iceServers ?? [], send: client });
  call.on("text", (text) => console.log(text.trim(), roomId.length));
});
client.on("resumed", ({ lost, initiator }) => console.log(lost === true, initiator === undefined));
// @ts-expect-error: there is no such event
client.on("mached", () => {});
// @ts-expect-error: a report has a reason
void client.report({});
const asked: Promise<OkMessage> = client.available({ is: { lang: ["en"] }, likes: ["chess"], relax: { likes: 10 } });
client.on("waiting", ({ seconds, atLeast }) => console.log(seconds + atLeast));
// @ts-expect-error: likes are a list
void client.next({ likes: "chess" });
export const read = (message: ServerMessage): string => (message.type === "ready" ? message.clientId : message.type);
const limit: number = MAX_REPORT_LENGTH, code: "RATE_LIMIT" | string = ErrorCode.RATE_LIMIT;
console.log(limit, code);
stop();
client.on("data", ({ data }: { data: unknown }) => console.log(data));
console.log((await asked).stale === true, client.refusal?.code);
// @ts-expect-error: no message of that type
void client.request({ type: "availabel" });
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty project with the package in it."""
    yield installed(
        packed(tmp_path_factory.mktemp("packed")), tmp_path_factory.mktemp("app"), "ws", "react", "react-dom"
    )


def test_it_works_in_node(app: Path) -> None:
    """Else what is published does not run, or a call ends where the tree's own files would have gone on."""
    (app / "app.mjs").write_text(APP)
    with DaemonProcess("--rematch-delay-seconds=60") as daemon, Proxy(daemon.port) as proxy:
        urls = [f"ws://127.0.0.1:{port}/ws" for port in (proxy.port, daemon.port)]
        # Node 20 has a WebSocket behind this flag, later ones have it anyway.
        command = ["node", "--experimental-websocket", "app.mjs", *urls]
        running = subprocess.Popen(command, cwd=app, env=environment(), stdout=subprocess.PIPE, text=True)
        assert running.stdout is not None
        said = []
        for line in running.stdout:
            said.append(line.strip())
            if said[-1] == "cut":
                proxy.cut()
        assert running.wait(PATIENCE_S) == 0
    expected = ["true", "cut", "resumed paired false true", "said while away", "left 1", "ended ended"]
    assert said == expected


def test_the_example_in_node(app: Path) -> None:
    """Else whoever begins with Node 20, which has no WebSocket, begins with something that does not work."""
    shutil.copy(KIT / "examples" / "node" / "echo.mjs", app)
    (app / "asks.mjs").write_text(ASKS_ECHO)
    with DaemonProcess() as daemon:
        url = f"ws://127.0.0.1:{daemon.port}/ws"
        command = [program("node"), "echo.mjs", url]
        with subprocess.Popen(command, cwd=app, env=environment(), stdout=subprocess.PIPE, text=True) as echo:
            try:
                assert echo.stdout is not None
                assert echo.stdout.readline().startswith("waiting as ")
                assert run(app, "node", "asks.mjs", url) == '{"hello":["there"]}\n'
                assert echo.stdout.readline().startswith("met ")
            finally:
                echo.kill()


@pytest.mark.slow
def test_every_story_comes_true(app: Path) -> None:
    """Else what is published breaks what its users rely on, or the server's own word."""
    with Book(javascript_puppet(app / "node_modules" / "@signald" / "client" / "dist" / "client.js")) as book:
        assert book.tell_all(story for _, story in by_settings()) == []


def test_it_says_who_it_is(app: Path) -> None:
    """Else nobody waits on a server that wants tokens, or a page is not told that its token is refused."""
    (app / "token.mjs").write_text(WITH_TOKEN)
    tokens = [sign({"sub": "ada", "exp": exp}) for exp in (4_000_000_000, 1)]
    with DaemonProcess(variables={"AUTH_MODE": "required", "JWT_SECRET": SECRET}) as daemon:
        url = f"ws://127.0.0.1:{daemon.port}/ws"
        assert run(app, "node", "--experimental-websocket", "token.mjs", url, *tokens) == "AUTH_FAILED\n"


def test_react_renders_on_a_server(app: Path) -> None:
    """Else Next.js and others, where a component is rendered without a browser, cannot use the hook."""
    (app / "render.mjs").write_text(RENDERED)
    assert run(app, "node", "render.mjs") == "<p>idle</p>\n"


def test_its_types_are_strict(app: Path) -> None:
    """Else a team that compiles strictly cannot use it, or is not told of an event that does not exist."""
    (app / "app.ts").write_text(TYPED)
    strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--noEmit"]
    target = ["--target", "es2022", "--module", "nodenext", "--types", "", "--lib", "es2023,dom,dom.iterable"]
    run(app, str(modules() / ".bin" / "tsc"), *strict, *target, "app.ts")


def test_it_stays_small(app: Path) -> None:
    """Else every page that uses it loads more than it needs, and nobody notices how it grew."""
    dist = app / "node_modules" / "@signald" / "client" / "dist"
    for entry, most in MOST_BYTES.items():
        loaded, found = [f"{entry}.js"], {f"{entry}.js"}
        while loaded:
            imported = set(re.findall(r'from"\./([\w.-]+)"', (dist / loaded.pop()).read_text())) - found
            found |= imported
            loaded += imported
        assert (entry == "client") == ("RTCPeerConnection" not in "".join((dist / name).read_text() for name in found))
        assert most / 2 < len(gzip.compress(b"".join((dist / name).read_bytes() for name in sorted(found)))) <= most


def test_nothing_else_is_packed(app: Path) -> None:
    """Else a published version carries tests, sources or secrets of whoever packed it."""
    package = app / "node_modules" / "@signald" / "client"
    names = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert {"package.json", "README.md", "CHANGELOG.md", "LICENSE"} == {name for name in names if "/" not in name}
    assert all(re.fullmatch(r"dist/[\w-]+(\.d\.ts|\.js(\.map)?)", name) for name in names if "/" in name)
    assert os.environ.get("HOME", "/root") not in "".join(path.read_text() for path in package.rglob("*.*s*"))
