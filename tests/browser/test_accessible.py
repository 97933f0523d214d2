"""For whoever does not see the page, or not well: names, contrast, roles, by axe-core and the browser itself."""

from collections.abc import Iterator
from itertools import cycle, product
from typing import Any

import pytest

from tests.support.node import modules

from .conftest import Daemon, Open, Page, in_call, resize

INPUTS = {"button", "textbox", "checkbox", "radio", "combobox"}
SCREENS = list(product([(320, 568), (740, 360), (1280, 800)], ["light", "dark"]))

CALL = {
    "Next",
    "Leave",
    "Mute microphone",
    "Turn camera off",
    "Send",
    "Message to your partner",
    "Report this person",
    "Camera and microphone",
}
REPORT = {"Nudity", "Something else", "What happened? If you like", "Never meet this person again", "Cancel"}
CHOICE = {"Interests Up to ten, with commas between them", "English", "Save", "Camera", "Microphone"}

AXE = """
const done = arguments[0];
axe.run(document, { resultTypes: ["violations"] }).then(
  ({ violations, passes }) =>
    done({
      passed: passes.map(({ id }) => id),
      wrong: violations.flatMap(({ id, nodes }) =>
        nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`)),
    }),
  (error) => done({ passed: [], wrong: [String(error)] }),
);
"""


class Looks:
    """Looks at one view of the page after the other, each on all screens, or on one in turn.

    Args:
        everywhere: On all.
    """

    def __init__(self, *, everywhere: bool) -> None:
        self._axe = (modules() / "axe-core" / "axe.min.js").read_text()
        self._turns: Iterator[list[tuple[tuple[int, int], str]]] = cycle(
            [SCREENS] if everywhere else [[screen] for screen in SCREENS]
        )
        self.names: set[str] = set()

    def at(self, page: Page, what: str) -> None:
        """Whether everything in this view has a name, and whatever else axe-core knows of."""
        if not page.js("return 'axe' in window"):
            page.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": self._axe})
        for size, scheme in next(self._turns):
            resize(page, *size)
            features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
            wanted = [{"name": name, "value": value} for name, value in features.items()]
            page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})
            found: dict[str, Any] = page.driver.execute_async_script(AXE)
            assert found["wrong"] == [], f"{what}, {size}, {scheme}"
            assert "color-contrast" in found["passed"]
        tree = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})
        controls = [node for node in tree["nodes"] if not node["ignored"] and node["role"]["value"] in INPUTS]
        assert controls, what
        assert all(node.get("name", {}).get("value") for node in controls), what
        self.names |= {node["name"]["value"] for node in controls}


@pytest.mark.parametrize("everywhere", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_nothing_is_wrong_in_any_view(daemon: Daemon, open_page: Open, everywhere: bool) -> None:
    """Else a blind user hears "button, button, button", and who sees little cannot read what is grey on grey."""
    looks, a, b = Looks(everywhere=everywhere), open_page(), open_page()
    a.open(daemon.url)
    looks.at(a, "before Start")
    a.click("choose")
    looks.at(a, "whom to meet")
    a.click("wishes-cancel")
    a.js("document.getElementById('start').click()")
    a.reach("waiting")
    looks.at(a, "waiting")
    b.start(daemon.url)
    in_call(a, b)
    looks.at(a, "in a call")
    a.js("if (document.body.dataset.chat === 'closed') document.getElementById('toggle-chat').click()")
    a.write("hello")
    b.write("hello, you")
    a.receives("hello, you")
    looks.at(a, "in a chat")
    b.click("camera-off")
    b.click("mute")
    a.until(
        lambda: a.text("muted") and a.text("headline") == "Their camera is off", "what the partner has switched off"
    )
    looks.at(a, "nothing of the partner")
    for button, closed_by in (("devices", "devices-close"), ("help", "shortcuts-close"), ("report", "report-cancel")):
        a.click(button)
        looks.at(a, button)
        a.click(closed_by)
    a.js("document.getElementById('notice').hidden = false")
    a.js("document.getElementById('notice-text').textContent = 'Your camera did not start.'")
    looks.at(a, "a notice")
    assert looks.names >= CALL | REPORT | CHOICE
