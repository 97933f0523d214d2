"""The operator's console in a browser: what a moderator does with the keyboard alone, over two instances."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.support.client import Client, Closed
from tests.support.desk import MODERATED, MODERATOR, OPERATOR
from tests.support.operator import TOKEN, Operator
from tests.support.redis import RedisServer
from tests.support.service import Service, meet
from tests.support.tokens import SECRET, sign
from tests.support.waiting import until

from .conftest import Daemon, Open, Page, resize
from .test_accessible import Looks
from .test_examples import files

MARKUP = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
"""What somebody sends who wants to act by a moderator's browser."""

TURNED = "\u202e"
"""Turns around what comes after it: so that it reads as something else."""

BROWSER = ("--disable-webrtc", "--host-resolver-rules=MAP *.example 127.0.0.1")
"""One without calls, whose strangers' names lead to this machine."""

ATTACK = """
const [admin, client, done] = arguments;
const tried = async (path, more) => {
  try {
    const answer = await fetch(`${admin}/${path}`, { credentials: "include", ...more });
    return `${answer.type} ${answer.status} ${await answer.text()}`;
  } catch (error) {
    return error.name;
  }
};
(async () => {
  const said = [
    await tried("console/me"),
    await tried("console/stream", { mode: "no-cors" }),
    await tried("clients"),
    await tried(`clients/${client}`, { method: "DELETE" }),
    await tried("bans", { method: "POST", mode: "no-cors", body: JSON.stringify({ client, seconds: 60 }) }),
  ];
  const frame = document.body.appendChild(document.createElement("iframe"));
  frame.src = `${admin}/console/`;
  frame.onload = () => done(said);
})();
"""
"""What a page of somebody else does with the browser of an operator."""

UNREAD: Mapping[str, str] = {"HEARTBEAT_SECONDS": "3600", "MATCH_ANSWER_SECONDS": "0"}
"""Settings with which clients stay as they are while nobody reads what they get: this test looks at a page instead."""

SESSION_S = 3600.0
"""For how long users of this test are known: longer than a busy machine takes for it."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


def admin_port(service: Service, number: int) -> int:
    (port,) = [port for port in service[number].ports if port != service[number].port]
    return port


def known(client: Client, user: str) -> Client:
    client.send("auth", token=sign({"sub": user, "exp": time.time() + SESSION_S}))
    assert client.sync() == []
    return client


def focus(page: Page, name: str) -> None:
    """Go on with the Tab key until the control with this name has the focus, as whoever uses no mouse does."""
    script = "const e = document.activeElement; return e.ariaLabel ?? e.labels?.[0]?.innerText ?? e.innerText"
    for _ in range(120):
        page.press(Keys.TAB)
        if str(page.js(script) or "").strip().startswith(name):
            return
    pytest.fail(f"the keyboard does not reach {name!r}: {page.js('return document.body.innerText')}")


def shown(page: Page, words: str) -> None:
    page.until(lambda: words in page.js("return document.body.innerText"), f"the page says {words!r}")


def picture(page: Page, name: str) -> None:
    """Keep what is shown, for docs/images."""
    if folder := os.environ.get("SCREENSHOTS"):
        resize(page, 1100, 800)
        page.driver.save_screenshot(str(Path(folder) / f"{name}.png"))


def test_a_reported_client_is_banned_by_keyboard(store: RedisServer, open_page: Open) -> None:
    """A moderator who uses no mouse, or does not see, reads a report and can do nothing about it."""
    settings = {**MODERATED, **UNREAD, "ADMIN_LISTEN": "tcp:0:interface=127.0.0.1"}
    settings |= {"AUTH_MODE": "optional", "JWT_SECRET": SECRET}
    looks = Looks(everywhere=False)
    with Service(store.url, store.url, joined=True, **settings) as service:
        for instance in service:
            instance.wait_for("listening on", times=2)
        ada, mallory = known(service.modern(0), MARKUP[:60]), known(service.client(1), "mallory")
        others = [service.client(number) for number in (0, 0, 1)]
        meet(ada, mallory)
        ada.send("report", reason=MARKUP[:64], text=f"sells things {MARKUP} {TURNED}moc.elpmaxe")
        ada.expect("reported")
        operator = Operator(admin_port(service, 0), OPERATOR)
        until(lambda: operator.ask("GET", "/reports")[1]["total"] == 1, "the report is kept")
        with closing(open_page(*BROWSER)) as page:
            resize(page, 1100, 800)
            page.open(f"http://localhost:{admin_port(service, 0)}/console/")
            shown(page, "Sign in")
            looks.at(page, "signing in")
            page.press("x" * 16, Keys.ENTER)
            page.expected_errors.append("401")
            shown(page, "Not signed in")
            page.press(MODERATOR, Keys.ENTER)
            shown(page, "ada, moderator")
            shown(page, "5 clients, 0 waiting, 2 of 2 instances")
            page.until(lambda: "1 open" in page.text("nav"), "the report is announced")
            picture(page, "console")
            looks.at(page, "the charts")
            focus(page, "Reports")
            page.press(Keys.ENTER)
            shown(page, "sells things <img")
            shown(page, r"\u202emoc.elpmaxe")
            looks.at(page, "the inbox")
            picture(page, "console-reports")
            focus(page, f"Find client {mallory.id}")
            page.press(Keys.ENTER)
            shown(page, "2 found of 5")
            looks.at(page, "the clients")
            focus(page, f"Ban client {mallory.id}")
            page.press(Keys.ENTER)
            shown(page, "Its user mallory is banned")
            looks.at(page, "the question before a ban")
            page.press(MARKUP[:100], Keys.ENTER)
            shown(page, "Banned: user mallory.")
            with pytest.raises(Closed):
                mallory.expect("pong")
            service[0].wait_for("one user banned for 86400 s by ada")
            assert others[0].sync() == [] == others[2].sync()
            focus(page, "Bans")
            page.press(Keys.ENTER)
            shown(page, "1 in force.")
            looks.at(page, "the bans")
            focus(page, "Lift the ban on user mallory")
            page.press(Keys.ENTER)
            shown(page, "The ban on user mallory was lifted.")
            there = Operator(admin_port(service, 1), OPERATOR)
            until(lambda: there.ask("GET", "/bans")[1]["total"] == 0, "the other instance knows")
            known(service.client(1), "mallory")
            focus(page, "Instances")
            page.press(Keys.ENTER)
            page.until(lambda: page.text("instances").count("serving") == 2, "both instances serve")
            looks.at(page, "the instances")
            assert page.text("settings") == ""
            # Reports are read when those in them have long gone, and the instance that knew them, too.
            service[1].stop()
            focus(page, "Reports")
            page.press(Keys.ENTER)
            focus(page, f"Ban client {mallory.id}, reported")
            page.press(Keys.ENTER)
            shown(page, "Its user mallory is banned")
            page.press(Keys.ENTER)
            shown(page, "Banned: user mallory.")
            focus(page, "History of both")
            page.press(Keys.ENTER)
            shown(page, "mallory: nothing else.")
            page.press(Keys.ENTER)
            store.kill()
            until(lambda: not operator.ask("GET", "/reports")[1]["complete"], "the store is missed")
            page.press(Keys.ENTER)
            shown(page, "mallory: not all is known, the store is away.")
            page.press(Keys.ENTER)
            page.expected_errors.append("ERR_")
            service[0].stop()
            page.press(Keys.ENTER)
            shown(page, "The history is not to be had")
            assert page.driver.title == "signald: console"
            assert page.js("return document.querySelectorAll('img, iframe, script:not([src])').length") == 0
            assert page.js("return [document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
        assert service.errors() == []


def test_a_page_from_elsewhere(daemon_with: Callable[..., Daemon], open_page: Open, tmp_path: Path) -> None:
    """What an operator looks at beside the console throws people out, or shows the console as a part of itself."""
    daemon = daemon_with(ADMIN_TOKEN=TOKEN, HEARTBEAT_SECONDS="3600")
    operator, page = daemon.operator(), open_page(*BROWSER)
    page.expected_errors = [
        "CORS policy",
        "status of 4",
        "ERR_FAILED",
        "ERR_BLOCKED",
        "frame-ancestors",
        "X-Frame-Options",
    ]
    (tmp_path / "index.html").write_text("<!doctype html><title>Cats</title><body>")
    with Client(daemon.port) as client, files(tmp_path) as elsewhere:
        # A name of theirs that leads to the operator's machine: for the browser, it is one site with their page.
        page.open(f"http://cats.example:{operator.port}/console/")
        shown(page, "this name is not one of this endpoint's")
        page.open(elsewhere)
        admin = f"http://localhost:{operator.port}"
        said = page.driver.execute_async_script(ATTACK, admin, client.id)
        assert said == ["TypeError", "opaque 0 ", "TypeError", "TypeError", "opaque 0 "]
        page.driver.switch_to.frame(page.driver.find_element("tag name", "iframe"))
        assert "Sign in" not in page.js("return document.documentElement.innerText")
        page.driver.switch_to.default_content()
        page.open(f"{admin}/console/")
        shown(page, "Sign in")
        assert client.sync() == []
        assert operator.ask("GET", "/bans")[1]["total"] == 0
