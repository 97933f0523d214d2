"""The files for containers and platforms, against the schemas and linters that their makers or the community wrote."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec.models import ComposeSpecification
from packaging.requirements import Requirement

from signald.settings.settings import SETTINGS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
VARIABLES = {row.variable for row in SETTINGS}


def test_locked_versions_are_those_that_are_asked_for() -> None:
    """The image is built of libraries that signald was never tried with, or of files that somebody exchanged."""
    wanted = {
        Requirement(text).name.lower(): Requirement(text) for text in requires("signald") or () if "extra" not in text
    }
    wanted["setuptools"] = Requirement(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"][0]
    )
    locked: dict[str, list[str]] = {}
    for name in ("run", "build"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        for package in re.split(r"^(?=[a-z])", re.sub("^#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)[1:]:
            assert "--hash=sha256:" in package, package
            locked.setdefault(package.partition("==")[0], []).append(re.split(r"==|[ ;]", package)[1])
    for name, requirement in wanted.items():
        assert all(requirement.specifier.contains(version) for version in locked[name]), (name, locked[name])


def _blocks(language: str) -> list[str]:
    text = (DEPLOY / "platforms.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _environments(tree: Any) -> Iterator[str]:
    """Names of environment variables, whatever a format calls the place where they stand."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in {"env", "environment", "envVars", "secrets"}:
                yield from (value if isinstance(value, dict) else [row.get("name") or row["key"] for row in value])
            else:
                yield from _environments(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _environments(value)


def _documents() -> Iterator[Any]:
    for path in (ROOT / "compose.yaml", ROOT / "render.yaml", DEPLOY / "kubernetes.yaml"):
        yield from yaml.safe_load_all(path.read_text())
    yield from (yaml.safe_load(block) for block in _blocks("yaml"))
    yield from (tomllib.loads(block) for block in _blocks("toml"))
    yield from (json.loads(block) for block in _blocks("json"))


def test_dockerfile_pleases_its_linter() -> None:
    """Known mistakes, such as a shell that swallows SIGTERM, would come back unseen."""
    hadolint = Path(sys.executable).with_name("hadolint")
    checked = subprocess.run([str(hadolint), "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_build_context_holds_no_secret() -> None:
    """An allow list: a .env or a key in the checkout would be sent to the builder, and could end in a layer."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {
        "setup.py",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "requirements",
        "signald",
        "twisted",
    }


def test_compose_file_keeps_to_its_schema() -> None:
    """``docker compose up`` would refuse the file, or ignore what is misspelt."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    ComposeSpecification.model_validate(compose)
    for name, service in compose["services"].items():
        assert set(service.get("depends_on", [])) <= set(compose["services"])
        assert service["read_only"] is True, name
    for volume in compose["services"]["balancer"]["volumes"]:
        assert (ROOT / volume.split(":")[0]).is_file()


def test_kubernetes_manifest_keeps_to_its_schema() -> None:
    """``kubectl apply`` would refuse it, or drop a misspelt probe without a word."""
    kinds = []
    for document in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        kinds.append(document["kind"])
    assert kinds == ["Deployment", "PodDisruptionBudget", "Service", "Ingress"]


def test_kubernetes_schema_refuses_a_misspelt_field() -> None:
    """The check above would pass with any content."""
    document = next(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    document["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_kubernetes_selectors_find_the_pods() -> None:
    """A service or a disruption budget that selects nothing is valid, and useless."""
    deployment, budget, service, ingress = yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == labels
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert {port["name"] for port in container["ports"]} == {port["targetPort"] for port in service["spec"]["ports"]}
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend["name"] == service["metadata"]["name"]


def test_render_blueprint_refers_to_what_it_makes() -> None:
    """Render would refuse it. There is no schema to be had without the network: this looks at the structure only."""
    web, store = yaml.safe_load((ROOT / "render.yaml").read_text())["services"]
    assert (web["type"], web["runtime"], store["type"]) == ("web", "docker", "keyvalue")
    reference = next(row["fromService"] for row in web["envVars"] if row["key"] == "REDIS_URL")
    assert reference == {"type": "keyvalue", "name": store["name"], "property": "connectionString"}
    assert store["ipAllowList"] == [], "the store is open to the internet"


def test_deployments_name_settings_that_exist() -> None:
    """A misspelt variable changes nothing, and nobody is told."""
    named = {name for document in _documents() for name in _environments(document)}
    assert "REDIS_URL" in named
    assert named <= VARIABLES
