"""The events of an app as AsyncAPI 3.0.0, for the tools of others."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, cast

import msgspec

from duetto.model.topology import Part, Topology
from duetto.operations.contracts.documents import Document
from duetto.operations.contracts.schemas import Schema, mapped

VERSION = "3.0.0"
COMPONENTS = "#/components/schemas/"
CORRELATION = "$message.header#/ce-correlationid"
"""Where the header of a CloudEvent in binary mode is."""


def asyncapi(topology: Topology, events: list[Document]) -> dict[str, Any]:
    """Return the document: a channel for each event, an operation for each edge of a part."""
    schemas: dict[str, Schema] = {}
    for document in events:
        schemas |= _schemas(document)
    body: dict[str, Any] = {
        "channels": {each.subject: _channel(each) for each in events},
        "operations": _operations(topology),
        "components": {
            "messages": {each.subject: _message(each) for each in events},
            "schemas": schemas,
            "correlationIds": {"correlation": {"location": CORRELATION}},
        },
    }
    # The version of the whole follows from its content: it changes where that does, only then.
    version = sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()[:12]
    info = {"title": topology.app, "version": version}
    return {"asyncapi": VERSION, "info": info, "defaultContentType": "application/json", **body}


def _channel(document: Document) -> dict[str, Any]:
    topic = document.subject
    message = {"$ref": f"#/components/messages/{topic}"}
    return {"address": topic, "messages": {topic: message}}


def _message(document: Document) -> dict[str, Any]:
    about = document.about
    return {
        "name": document.subject,
        "title": f"{document.subject}, version {document.version}",
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": {
                "ce-dataschema": {"const": document.schema["$id"]},
                "ce-correlationid": {"type": "string"},
                **({"ce-partitionkey": {"type": "string"}} if about["key"] else {}),
            },
        },
        "payload": {"$ref": f"{COMPONENTS}{document.subject}"},
        "correlationId": {"$ref": "#/components/correlationIds/correlation"},
        "x-duetto": {name: about[name] for name in ("version", "key", "lanes")},
    }


def _operations(topology: Topology) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in topology.parts:
        for action, topics in (("send", part.publishes), ("receive", part.hears)):
            for topic in topics:
                found[f"{part.name}.{action}.{topic}"] = _operation(part, action, topic, topology)
    return found


def _operation(part: Part, action: str, topic: str, topology: Topology) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic}"},
        "messages": [{"$ref": f"#/channels/{topic}/messages/{topic}"}],
        "title": part.name,
        "tags": [{"name": part.service or topology.app}, {"name": part.kind}],
    }


def _schemas(document: Document) -> dict[str, Schema]:
    """Return the schemas of an event among those of all: each topic has names of its own."""
    topic, inner = document.subject, cast("dict[str, Schema]", document.schema["$defs"])
    names = {name: f"{topic}.{name}" for name in inner}
    root = {
        key: value
        for key, value in document.schema.items()
        if not key.startswith(("$schema", "$id", "$defs", "x-"))
    }
    return {
        topic: _as_draft_7(root, names),
        **{names[name]: _as_draft_7(schema, names) for name, schema in inner.items()},
    }


def _as_draft_7(schema: Schema, names: dict[str, str]) -> Schema:
    """Return a schema in the dialect that AsyncAPI has by default."""

    def change(one: Schema) -> Schema:
        ref = one.get("$ref")
        if isinstance(ref, str):
            # Beside a reference that dialect reads nothing, so the rest stands around it.
            rest = {key: value for key, value in one.items() if key != "$ref"}
            target = {"$ref": COMPONENTS + names[ref.rpartition("/")[2]]}
            return {"allOf": [target], **rest} if rest else target
        if "prefixItems" in one:
            one = {**one, "items": one["prefixItems"], "additionalItems": False}
            del one["prefixItems"]
        hint = one.get("discriminator")
        if isinstance(hint, dict) and "propertyName" in hint:
            # An object in OpenAPI, but the name of a property here; the union says it all.
            del one["discriminator"]
        return one

    return cast("Schema", mapped(schema, change))
