"""CloudEvents in binary mode: attributes as headers, the data as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct

from duetto.codecs.cloudevents import strict
from duetto.codecs.cloudevents.foreign import (
    Foreign,
    from_attributes,
    is_json,
    refused,
    to_attributes,
)
from duetto.errors import ValueRefused

CONTENT_TYPE = "content-type"
AS_THEY_ARE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
"""All that a header of HTTP carries as it is."""

BROKEN = re.compile("%(?![0-9A-Fa-f]{2})")


class Binding(Struct, frozen=True):
    """How a protocol carries attributes: what their names begin with, and whether values are
    percent-encoded since its headers carry ASCII only."""

    prefix: str
    encoded: bool = False


HTTP = Binding("ce-", encoded=True)
"""HTTP, and NATS, whose headers are those of HTTP."""
KAFKA = Binding("ce_")
AMQP = Binding("cloudEvents:")


def encode_binary(event: Foreign, binding: Binding) -> tuple[dict[str, str], bytes]:
    """Return headers and body of an event. Raises ValueRefused and LimitExceeded."""
    attributes = to_attributes(event)
    body = _body(event)
    content_type = attributes.pop("datacontenttype", "")
    if not content_type and not isinstance(event.data, bytes) and event.data is not None:
        content_type = "application/json"
    headers = {
        f"{binding.prefix}{name}": _value(each, binding) for name, each in attributes.items()
    }
    if content_type:
        headers[CONTENT_TYPE] = str(content_type)
    return headers, body


def decode_binary(
    headers: Iterable[tuple[str, str | bytes]], body: bytes, binding: Binding
) -> Foreign:
    """Return the event of headers and body. Raises ValueRefused and LimitExceeded.

    Headers that are no attributes are not looked at. Names are compared without their case.
    """
    strict.check_size(body)
    found: dict[str, object] = {}
    prefix = binding.prefix.lower()
    for title, value in headers:
        lower = title.lower()
        if lower == CONTENT_TYPE:
            name, text = "datacontenttype", _text(title, value)
        elif lower.startswith(prefix):
            name, text = lower[len(prefix) :], _attribute(title, _text(title, value), binding)
            if name == "datacontenttype":
                raise refused(name, text, f"the header `{CONTENT_TYPE}` instead")
        else:
            continue
        if name in found:
            raise refused(name, text, "one header of this name")
        found[name] = text
    content_type = str(found.get("datacontenttype", ""))
    return from_attributes(found, _data(body, content_type))


def _body(event: Foreign) -> bytes:
    data = event.data
    if data is None:
        return b""
    if isinstance(data, bytes):
        strict.check_size(data)
        return data
    if isinstance(data, str) and not is_json(event.content_type):
        strict.check_text(data)
        return data.encode()
    return strict.dumps(data)


def _data(body: bytes, content_type: str) -> object:
    if not body:
        return None
    return strict.loads(body) if content_type and is_json(content_type) else body


def _value(value: object, binding: Binding) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return quote(text, safe=AS_THEY_ARE) if binding.encoded else text


def _text(title: str, value: str | bytes) -> str:
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise refused(title[:40], value, "UTF-8") from error


def _attribute(title: str, text: str, binding: Binding) -> str:
    """Return the value of an attribute as it was before it became a header."""
    if not binding.encoded:
        return text
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    if BROKEN.search(text):
        raise refused(title[:40], text, "percent signs with two hexadecimal digits behind them")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError as error:
        raise ValueRefused(
            f"The header `{title[:40]}` of a CloudEvent cannot be read.",
            found=ascii(text)[:60],
            expected="UTF-8, percent-encoded",
            do="mend the program that wrote it",
        ) from error
