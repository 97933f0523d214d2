"""A guest's browser works before its user waits, where the operator keeps bots away."""

from collections.abc import Callable

from .conftest import COUNT_WORKERS, Daemon, Open, in_call


def test_guests_that_have_to_work(daemon_with: Callable[..., Daemon], open_page: Open) -> None:
    """Else the policy of the page forbids its worker; or who presses Start looks for ever, or meets one and no more."""
    daemon, a, b = daemon_with(CHALLENGE="on"), open_page(), open_page()
    script = a.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT_WORKERS})
    a.start(daemon.url)
    a.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    b.start(daemon.url)
    in_call(a, b)
    a.until(lambda: a.js("return window.solved") == 2, "the work for this call and the next, in workers")
    b.click("next")
    in_call(a, b)
