"""What operators watch: the metrics of a real service, the dashboard and the alerts that are made of them."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.daemon import DaemonProcess
from tests.support.redis import RedisServer
from tests.support.service import Service, meet, talk
from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]
OPS = ROOT / "ops"
OPERATIONS = ROOT / "docs" / "operations.md"


def _scrape(instance: DaemonProcess) -> str:
    """What Prometheus gets; the second port is the operator's."""
    with urllib.request.urlopen(f"http://127.0.0.1:{instance.ports[1]}/metrics", timeout=PATIENCE_S) as response:
        text: str = response.read().decode()
        return text


def _value(text: str, name: str, **labels: str) -> float:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    raise AssertionError(f"no {name} with {labels} in:\n{text}")


def _names(text: str) -> set[str]:
    """The names of all samples."""
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}


def _families(text: str) -> set[str]:
    """The names as they stand in the text: a histogram is one."""
    return set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))


def _mentioned(text: str) -> set[str]:
    """Our metrics in an expression or a page."""
    return set(re.findall(r"\bsignald_[a-z_]*[a-z]\b", text))


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The metrics of one of two instances on a store, after a call between the two."""
    folder = tmp_path_factory.mktemp("metrics")
    with (
        RedisServer(folder) as store,
        Service(
            store.url,
            store.url,
            LISTEN="tcp:0:interface=127.0.0.1",
            ADMIN_LISTEN="tcp:0:interface=127.0.0.1",
            CHALLENGE="auto",
            REPORT_WEBHOOK_URL="http://127.0.0.1:1/",
            REPORT_WEBHOOK_SECRET="a secret for tests",
            WEBHOOK_EVENTS="report,matched,ended",
        ) as service,
        service.client(0) as one,
        service.client(1) as other,
    ):
        service[1].wait_for("listening on", times=2)
        meet(one, other)
        talk(one, other)
        one.close()
        assert other.expect("partner-left")
        yield _scrape(service[1])
        assert service.errors() == []


def test_promtool_likes_them(scraped: str) -> None:
    """Prometheus would refuse the page, or those who know its conventions would not find their way."""
    checked = subprocess.run(["promtool", "check", "metrics"], input=scraped, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_calls_of_the_store(scraped: str) -> None:
    """A slow store would look like slow clients."""
    for call in ("match", "lease", "append"):
        count = _value(scraped, "signald_store_call_seconds_count", call=call)
        assert count >= 1
        assert _value(scraped, "signald_store_call_seconds_bucket", call=call, le="+Inf") == count
        assert 0 < _value(scraped, "signald_store_call_seconds_sum", call=call) / count < PATIENCE_S
        assert _value(scraped, "signald_store_call_failures_total", call=call) == 0
    assert _value(scraped, "signald_store_up") == 1
    assert _value(scraped, "signald_held_relay_bytes") == 0


def test_store_that_does_not_answer(tmp_path: Path) -> None:
    """Nobody would learn that the store is gone but from clients, nor how much waits for it."""
    with (
        RedisServer(tmp_path) as store,
        Service(
            store.url, store.url, LISTEN="tcp:0:interface=127.0.0.1", ADMIN_LISTEN="tcp:0:interface=127.0.0.1"
        ) as service,
        service.client(0) as one,
        service.client(1) as other,
    ):
        service[0].wait_for("listening on", times=2)
        meet(one, other)
        store.freeze()
        one.send("ice", candidate={"candidate": "held"})
        assert one.sync() == []
        held = _value(_scrape(service[0]), "signald_held_relay_bytes")
        assert held > len("held")
        service[0].wait_for("no answer within 2 s")
        text = _scrape(service[0])
        assert _value(text, "signald_store_up") == 0
        assert _value(text, "signald_held_relay_bytes") == held
        assert sum(_value(text, "signald_store_call_failures_total", call=call) for call in ("append", "lease")) >= 1
        store.thaw()
        assert other.expect("ice")["candidate"]["candidate"] == "held"
        service.wait_joined()
        assert _value(_scrape(service[0]), "signald_held_relay_bytes") == 0


def _expressions() -> list[str]:
    """What the dashboard asks Prometheus for."""
    dashboard = json.loads((OPS / "grafana.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    queries = [variable["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    assert len(asked) > 20 and len(queries) == 1
    return asked


def test_dashboard_shows_what_there_is(scraped: str) -> None:
    """A panel would be empty for ever, or a metric would be on none."""
    shown = _mentioned((OPS / "grafana.json").read_text())
    assert shown - _names(scraped) == set()
    families = {re.sub("_(bucket|count|sum)$", "", name) for name in shown}
    assert {name for name in _families(scraped) if name.startswith("signald_")} - families == set()


def test_dashboard_asks_what_prometheus_understands(tmp_path: Path) -> None:
    """A panel would show an error."""
    rules = "groups:\n  - name: dashboard\n    rules:\n"
    for number, expression in enumerate(_expressions()):
        expression = expression.replace("$__rate_interval", "5m")
        rules += f"      - record: panel:{number}\n        expr: {json.dumps(expression)}\n"
    (tmp_path / "rules.yaml").write_text(rules)
    subprocess.run(["promtool", "check", "rules", str(tmp_path / "rules.yaml")], check=True, capture_output=True)


def test_dashboard_panels_stand_beside_each_other() -> None:
    """Grafana would push panels that overlap to places where nobody looks for them."""
    taken: set[tuple[int, int]] = set()
    panels = json.loads((OPS / "grafana.json").read_text())["panels"]
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24 and not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_alerts(scraped: str) -> None:
    """An alert would never fire, or at all times, or say nothing of what to do."""
    for words in (["check", "config", "prometheus.yaml"], ["test", "rules", "alerts_test.yaml"]):
        done = subprocess.run(["promtool", *words], cwd=OPS, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    alerts = (OPS / "alerts.yaml").read_text()
    assert _mentioned(alerts) - _names(scraped) == set()
    names = re.findall(r"- alert: (\w+)", alerts)
    assert len(re.findall(r"labels: \{severity: (?:critical|warning)\}", alerts)) == len(names)
    assert alerts.count(" summary: ") == alerts.count(" todo: ") == len(names)
    tested = (OPS / "alerts_test.yaml").read_text()
    assert [name for name in names if name not in tested] == []


def test_operators_are_told_of_all(scraped: str) -> None:
    """Whoever is woken by an alert would find nothing about it."""
    chapter = OPERATIONS.read_text().partition("\n## Monitoring\n")[2].partition("\n## ")[0]
    first_cells = re.findall(r"^\|([^|]+)\|", chapter, re.MULTILINE)
    explained = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    ours = {name for name in _families(scraped) if name.startswith("signald_")}
    alerts = set(re.findall(r"- alert: (\w+)", (OPS / "alerts.yaml").read_text()))
    assert explained == ours | alerts
