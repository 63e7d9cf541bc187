"""The AsyncAPI export against the official schema, and against the app."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from duetto import App
from duetto.cli.contracts import kinds_of
from duetto.cli.topology import declared_by
from duetto.operations.contracts import asyncapi, event_documents
from tests.contracts import choreography
from tests.contracts.validating import draft_7, references
from tests.events import warehouse

OFFICIAL = json.loads(Path(__file__).with_name("asyncapi-3.0.0.json").read_text("utf-8"))
APPS = [choreography.app, warehouse.app, App("empty")]


def exported(app: App) -> dict[str, Any]:
    topology = declared_by(app)
    return asyncapi(topology, event_documents(kinds_of(app), topology))


@pytest.mark.parametrize("app", APPS, ids=lambda it: it.name)
def test_the_official_schema_passes(app: App) -> None:
    draft_7(OFFICIAL).validate(exported(app))


def test_the_official_schema_would_not_pass_anything() -> None:
    found = exported(warehouse.app)
    found["operations"]["mail.count_letters.receive.Sent"]["action"] = "hear"
    with pytest.raises(jsonschema.ValidationError):
        draft_7(OFFICIAL).validate(found)


@pytest.mark.parametrize("app", APPS, ids=lambda it: it.name)
def test_every_reference_leads_somewhere(app: App) -> None:
    found = exported(app)
    for ref in references(found):
        target: Any = found
        for step in ref.removeprefix("#/").split("/"):
            assert step in target, ref
            target = target[step]


def test_each_service_sends_and_receives_what_it_declares() -> None:
    operations = exported(warehouse.app)["operations"]
    said = {
        (one["tags"][0]["name"], one["action"], name.rpartition(".")[2])
        for name, one in operations.items()
    }
    assert ("inventory", "send", "Held") in said
    assert ("payments", "receive", "Held") in said
    assert ("warehouse", "receive", "Refused") in said, "it starts a workflow of the app"
    assert len(operations) == 11


def test_payloads_are_schemas_of_the_dialect_that_asyncapi_reads() -> None:
    components = exported(choreography.app)["components"]
    for schema in components["schemas"].values():
        jsonschema.Draft7Validator.check_schema(schema)
    held = components["schemas"]["Held.Held"]["properties"]["matrix"]
    assert held["items"][0] == {"type": "integer"}
    assert held["additionalItems"] is False


def test_the_version_follows_from_the_content() -> None:
    one, other = exported(warehouse.app), exported(choreography.app)
    assert one["info"]["version"] == exported(warehouse.app)["info"]["version"]
    assert one["info"]["version"] != other["info"]["version"]
