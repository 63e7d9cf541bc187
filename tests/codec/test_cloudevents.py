"""CloudEvents come back as they were, and what is none ends in an error that says why."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from duetto.codecs.cloudevents import (
    AMQP,
    BATCH,
    HTTP,
    KAFKA,
    STRUCTURED,
    Binding,
    CloudEvents,
    Foreign,
    decode_batch,
    decode_binary,
    decode_structured,
    encode_batch,
    encode_binary,
    encode_structured,
)
from duetto.codecs.cloudevents.foreign import UNFIT, instant, instant_text
from duetto.errors import DuettoError, LimitExceeded, ValueRefused
from duetto.model.event import BEGINNING, END, Event

BINDINGS = [HTTP, KAFKA, AMQP]


def to_json(event: Event) -> object:
    return msgspec.msgpack.decode(event.data)


def from_json(topic: str, version: int, value: object) -> bytes:
    return msgspec.msgpack.encode(value)


CLOUD = CloudEvents(to_json, from_json)

EVENT = Event(
    "shop",
    "OrderPlaced",
    3,
    17,
    "order-1",
    2,
    1_764_144_000_123,
    msgspec.msgpack.encode({"order_id": "order-1", "total": 12.5, "lines": [1, None, "ü"]}),
    correlation="run-1",
    causation="order-1/2#1",
    hops=2,
    deadline=1_764_144_060_000,
    trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    foreign="abc",
)

# -- as others see it


def test_an_event_in_structured_mode() -> None:
    assert json.loads(CLOUD.structured(EVENT)) == {
        "specversion": "1.0",
        "id": "shop/OrderPlaced/3:17",
        "source": "shop",
        "type": "OrderPlaced",
        "subject": "order-1",
        "time": "2025-11-26T08:00:00.123Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:duetto:OrderPlaced:2",
        "sequence": "0000000000000000017",
        "partitionkey": "order-1",
        "correlationid": "run-1",
        "causationid": "order-1/2#1",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "duettohops": "2",
        "duettodeadline": "1764144060000",
        "duettoforeign": "abc",
        "data": {"order_id": "order-1", "total": 12.5, "lines": [1, None, "ü"]},
    }


def test_an_event_in_binary_mode() -> None:
    event = replace(EVENT, key='käse "50 %"', correlation="", causation="", trace="", foreign="")
    for binding, shown in [(HTTP, "k%C3%A4se%20%2250%20%25%22"), (KAFKA, event.key)]:
        headers, body = CLOUD.binary(event, binding)
        assert headers["content-type"] == "application/json"
        assert headers[f"{binding.prefix}subject"] == shown
        assert headers[f"{binding.prefix}specversion"] == "1.0"
        assert f"{binding.prefix}datacontenttype" not in headers
        assert json.loads(body)["total"] == 12.5
    assert "cloudEvents:id" in CLOUD.binary(event, AMQP)[0]


def test_what_is_empty_is_left_out() -> None:
    event = replace(EVENT, key="", correlation="", causation="", hops=0, deadline=0, trace="")
    names = json.loads(CLOUD.structured(event)).keys()
    assert not names & {"subject", "partitionkey", "correlationid", "duettohops", "traceparent"}
    assert CLOUD.read([("content-type", STRUCTURED)], CLOUD.structured(event), HTTP) == [event]


# -- there and back

letters = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40).filter(
    lambda text: not UNFIT.search(text)
)
names = letters.filter(bool)
numbers = st.integers(0, 2**63 - 1)
instants = st.integers(-62_135_596_800_000, 253_402_300_799_999)
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)
events = st.builds(
    Event,
    source=names,
    topic=names.filter(lambda text: "/" not in text),
    lane=st.integers(0, 1023),
    seq=numbers,
    key=letters,
    version=numbers,
    at=instants,
    data=values.map(msgspec.msgpack.encode),
    correlation=letters,
    causation=letters,
    hops=numbers,
    deadline=numbers,
    trace=letters,
    foreign=letters,
)
extension_names = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(
    lambda name: (
        name not in {"specversion", "id", "source", "type", "subject", "time", "data", "dataschema"}
        and name != "datacontenttype"
    )
)
foreigners = st.builds(
    Foreign,
    source=names,
    id=names,
    type=names,
    subject=letters,
    time=st.none() | instants,
    content_type=st.sampled_from(["", "application/json", "text/json", "application/a+json"]),
    schema=letters,
    data=values.filter(lambda value: value is not None),
    extensions=st.dictionaries(
        extension_names, letters | st.booleans() | st.integers(-(2**31), 2**31 - 1), max_size=5
    ),
)


@given(events)
@example(EVENT)
def test_an_event_comes_back(event: Event) -> None:
    read = CLOUD.read(
        [("Content-Type", STRUCTURED + "; charset=UTF-8")], CLOUD.structured(event), HTTP
    )
    assert read == [event]
    for binding in BINDINGS:
        headers, body = CLOUD.binary(event, binding)
        assert CLOUD.read(headers.items(), body, binding) == [event]
        raw = [(name.upper(), value.encode()) for name, value in headers.items()]
        assert CLOUD.read(raw, body, binding) == [event]


@given(st.lists(events | foreigners, max_size=4))
def test_a_batch_comes_back(batch: list[Event | Foreign]) -> None:
    found = [CLOUD.foreign(each) if isinstance(each, Event) else each for each in batch]
    read = CLOUD.read([("content-type", BATCH)], encode_batch(found), KAFKA)
    assert read == batch


@given(foreigners)
def test_a_foreign_event_comes_back(event: Foreign) -> None:
    assert decode_structured(encode_structured(event)) == event
    for binding in BINDINGS:
        headers, body = encode_binary(event, binding)
        found = decode_binary(headers.items(), body, binding)
        typed = event.content_type or "application/json"
        texts = {name: text_of(value) for name, value in event.extensions.items()}
        assert found == replace(event, content_type=typed, extensions=texts)


def text_of(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@given(foreigners, st.binary(min_size=1))
def test_bytes_come_back(event: Foreign, data: bytes) -> None:
    event = replace(event, content_type="image/png", data=data, extensions={})
    assert decode_structured(encode_structured(event)) == event
    for binding in BINDINGS:
        headers, body = encode_binary(event, binding)
        assert body == data
        assert decode_binary(headers.items(), body, binding) == event


def test_what_others_send_is_read() -> None:
    sent = {
        "specversion": "1.0",
        "type": "com.github.pull_request.opened",
        "source": "https://github.com/cloudevents/spec/pull",
        "subject": "123",
        "id": "A234-1234-1234",
        "time": "2018-04-05T17:31:00+02:00",
        "comexampleextension1": "value",
        "comexampleothervalue": 5,
        "unset": None,
        "datacontenttype": "application/vnd.acme+json; charset=utf-8",
        "data": {"appinfoA": "abc"},
    }
    found = decode_structured(json.dumps(sent).encode())
    assert found == CLOUD.ours(found)
    assert found.time == 1_522_942_260_000
    assert found.extensions == {"comexampleextension1": "value", "comexampleothervalue": 5}
    assert (found.key, found.data) == ("123", {"appinfoA": "abc"})
    sent["partitionkey"] = "p"
    assert decode_structured(json.dumps(sent).encode()).key == "p"
    del sent["data"]
    assert decode_structured(json.dumps(sent).encode()).data is None
    sent["data_base64"] = base64.b64encode(b'{"a": 1}').decode()
    assert decode_structured(json.dumps(sent).encode()).data == {"a": 1}
    quoted = {**BASE, "ce-subject": '"Euro \\" %E2%82%AC"', "host": "x", "accept": "y"}
    assert decode_binary(quoted.items(), b"", HTTP).subject == 'Euro " €'


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-14 * 60, 14 * 60))
def test_instants(when: datetime, offset: int) -> None:
    ms = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert instant(instant_text(ms)) == ms
    if 1 < when.year < 9999:
        away = when + timedelta(minutes=offset)
        sign, minutes = "-" if offset < 0 else "+", abs(offset)
        zone = f"{sign}{minutes // 60:02}:{minutes % 60:02}"
        assert instant(away.replace(tzinfo=None).isoformat() + zone) == ms


@pytest.mark.parametrize("at", [-1_999_999_999_999, -1, 0, 1, END, BEGINNING])
def test_times_before_1970_and_the_ends_of_time(at: int) -> None:
    event = replace(EVENT, time=at, stamp=at, mark=at)
    assert CLOUD.read([("content-type", STRUCTURED)], CLOUD.structured(event), HTTP) == [event]


@pytest.mark.parametrize("text", ["-0", "--1", "- 1", "1.0", "", "-9223372036854775809"])
def test_a_time_that_is_no_number_is_refused(text: str) -> None:
    cloud = json.loads(CLOUD.structured(EVENT)) | {"duettotime": text}
    with pytest.raises(ValueRefused):
        CLOUD.read([("content-type", STRUCTURED)], json.dumps(cloud).encode(), HTTP)


# -- what is refused

BASE = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t"}
GOOD: dict[str, Any] = {"specversion": "1.0", "id": "1", "source": "s", "type": "t"}


def says_it_all(error: DuettoError) -> None:
    assert isinstance(error, ValueRefused | LimitExceeded)
    assert error.found
    assert error.expected
    assert error.do
    str(error).encode()


def changed(**attributes: object) -> bytes:
    return json.dumps({**GOOD, **attributes}).encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half an object"),
        pytest.param(b"{} {}", id="two objects"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b"5", id="a number"),
        pytest.param(b"null", id="null"),
        pytest.param(b"\xff\xfe{\x00}\x00", id="UTF-16"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
        pytest.param(b'{"id": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"id": "\xed\xa0\x80"}', id="a surrogate in UTF-8"),
        pytest.param(b'{"a": 1, "a": 1}', id="a member twice"),
        pytest.param(changed()[:-1] + b', "data": {"a": 1, "a": 2}}', id="a member of data twice"),
        pytest.param(changed()[:-1] + b', "data": NaN}', id="NaN"),
        pytest.param(changed()[:-1] + b', "data": [-Infinity]}', id="Infinity"),
        pytest.param(changed()[:-1] + b', "data": 1e999}', id="a float beyond floats"),
        pytest.param(changed()[:-1] + b', "data": 9223372036854775808}', id="2**63"),
        pytest.param(changed()[:-1] + b', "data": ' + b"9" * 100_000 + b"}", id="many digits"),
        pytest.param(changed()[:-1] + b', "data": "\\ud800"}', id="half a pair"),
        pytest.param(changed()[:-1] + b', "data": {"\\udfff": 1}}', id="half a pair in a name"),
        pytest.param(changed()[:-1] + b', "data": ' + b"[" * 100 + b"]" * 100 + b"}", id="deep"),
        pytest.param(b"[" * 100_000, id="100,000 arrays"),
        pytest.param(b'{"a":' * 100_000, id="100,000 objects"),
        pytest.param(b'"' + b"x" * (9 * 2**20) + b'"', id="9 MiB"),
        *(
            pytest.param(json.dumps({k: v for k, v in GOOD.items() if k != name}).encode(), id=name)
            for name in GOOD
        ),
        *(pytest.param(changed(**{name: ""}), id=f"empty {name}") for name in GOOD),
        *(pytest.param(changed(**{name: 1}), id=f"{name} a number") for name in GOOD),
        pytest.param(changed(specversion="0.3"), id="another version"),
        pytest.param(changed(specversion=1.0), id="version a float"),
        *(
            pytest.param(changed(time=text), id=f"time {text}")
            for text in (
                "yesterday",
                "2025-11-26",
                "2025-11-26 08:00:00Z",
                "2025-11-26T08:00:00",
                "2025-13-01T00:00:00Z",
                "2025-02-30T00:00:00Z",
                "2025-11-26T24:00:00Z",
                "2025-11-26T08:60:00Z",
                "2025-11-26T08:00:61Z",
                "2025-11-26T08:00:00.Z",
                "2025-11-26T08:00:00+25:00",
                "2025-11-26T08:00:00+01:60",
                "0000-01-01T00:00:00Z",
                "٢٠٢٥-11-26T08:00:00Z",
            )
        ),
        pytest.param(changed(time=5), id="time a number"),
        pytest.param(changed(subject="a\0b"), id="NUL"),
        pytest.param(changed(subject="a\nb"), id="a control character"),
        pytest.param(changed(subject="\ud800"), id="a lone surrogate"),
        pytest.param(changed(subject="\uffff"), id="no character"),
        pytest.param(changed(subject="x" * 1001), id="a long attribute"),
        pytest.param(changed(Extension="x"), id="capitals"),
        pytest.param(changed(**{"an-extension": "x"}), id="a hyphen"),
        pytest.param(changed(**{"": "x"}), id="a name of nothing"),
        pytest.param(changed(ext=1.5), id="an extension that is a float"),
        pytest.param(changed(ext=[1]), id="an extension that is an array"),
        pytest.param(changed(ext={"a": 1}), id="an extension that is an object"),
        pytest.param(changed(ext=2**31), id="an extension beyond 32 bits"),
        pytest.param(changed(**{f"e{n}": "" for n in range(101)}), id="101 extensions"),
        pytest.param(changed(data=1, data_base64="AA=="), id="two kinds of data"),
        pytest.param(changed(data_base64="A"), id="no base64"),
        pytest.param(changed(data_base64="ü"), id="base64 beyond ASCII"),
        pytest.param(changed(data_base64=5), id="base64 a number"),
        pytest.param(
            changed(data_base64="AA==", datacontenttype="application/json"), id="base64 of no JSON"
        ),
    ],
)
def test_what_is_no_event_is_told_so(data: bytes) -> None:
    for decode in (decode_structured, decode_batch):
        if decode is decode_batch and data == b"[]":
            continue
        with pytest.raises(DuettoError) as caught:
            decode(data)
        says_it_all(caught.value)


@pytest.mark.parametrize(
    ("headers", "body", "binding"),
    [
        pytest.param([], b"", HTTP, id="nothing"),
        pytest.param([*BASE.items(), ("CE-ID", "2")], b"", HTTP, id="an id twice"),
        pytest.param([*BASE.items(), ("ce-x", "%G0")], b"", HTTP, id="no percent-encoding"),
        pytest.param([*BASE.items(), ("ce-x", "%FF")], b"", HTTP, id="no UTF-8"),
        pytest.param([*BASE.items(), ("ce-x", "%00")], b"", HTTP, id="NUL"),
        pytest.param([*BASE.items(), ("ce-x", "\ud800")], b"", HTTP, id="a lone surrogate"),
        pytest.param([*BASE.items(), ("ce-\ud800", "x")], b"", HTTP, id="surrogate in a name"),
        pytest.param([*BASE.items(), ("ce-x-y", "x")], b"", HTTP, id="a hyphen in a name"),
        pytest.param([*BASE.items(), ("ce-datacontenttype", "")], b"", HTTP, id="another header"),
        pytest.param([*BASE.items(), ("ce-data", "x")], b"", HTTP, id="data as a header"),
        pytest.param([*BASE.items(), ("ce-time", "now")], b"", HTTP, id="time"),
        pytest.param([*BASE.items(), ("content-type", "application/json")], b"{", HTTP, id="body"),
        pytest.param([*BASE.items(), ("content-type", "\0")], b"", HTTP, id="content type"),
        pytest.param([*BASE.items()], b"x" * (9 * 2**20), HTTP, id="9 MiB"),
        pytest.param(BASE.items(), b"", KAFKA, id="another binding"),
        pytest.param([("ce_id", b"\xff")], b"", KAFKA, id="no UTF-8 in bytes"),
        pytest.param([("content-type", "application/cloudevents+xml")], b"", HTTP, id="XML"),
        pytest.param([("content-type", b"\xff"), *BASE.items()], b"", HTTP, id="type in bytes"),
    ],
)
def test_what_is_no_event_in_headers_is_told_so(
    headers: Iterable[tuple[str, str | bytes]], body: bytes, binding: Binding
) -> None:
    with pytest.raises(DuettoError) as caught:
        CLOUD.read(headers, body, binding)
    says_it_all(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "shop/OrderPlaced/3:018"},
        {"id": "shop/OrderPlaced/3:٣"},
        {"id": "shop/OrderPlaced/3:" + "9" * 900},
        {"id": "nothing"},
        {"id": "other/OrderPlaced/3:17"},
        {"type": "OrderPaid"},
        {"dataschema": "urn:duetto:OrderPlaced:x"},
        {"dataschema": "urn:duetto:OrderPlaced"},
        {"dataschema": "urn:duetto:Other:2"},
        {"partitionkey": "another"},
        {"subject": "another"},
        {"sequence": "0000000000000000018"},
        {"sequence": None},
        {"time": None},
        {"duettohops": "-1"},
        {"duettohops": "07"},
        {"duettohops": "9" * 30},
        {"duettodeadline": "soon"},
        {"correlationid": 5},
        {"duettoforeign": True},
    ],
)
def test_an_event_of_ours_does_not_contradict_itself(changes: dict[str, object]) -> None:
    """Whoever reads a part of it must not take it for another event than who reads the rest."""
    data = json.dumps({**json.loads(CLOUD.structured(EVENT)), **changes}).encode()
    with pytest.raises(DuettoError) as caught:
        CLOUD.read([("content-type", STRUCTURED)], data, HTTP)
    says_it_all(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"source": ""},
        {"topic": "a/b"},
        {"seq": -1},
        {"seq": 2**63},
        {"hops": -1},
        {"deadline": 2**63},
        {"version": -1},
        {"at": 2**60},
        {"key": "a\nb"},
        {"key": "\ud800"},
        {"key": "k" * 1001},
        {"correlation": "a\0"},
        {"source": "\ud800"},
        {"topic": "\ud800"},
    ],
)
def test_an_event_that_others_cannot_read_is_refused(changes: dict[str, Any]) -> None:
    event = replace(EVENT, **changes)
    with pytest.raises(DuettoError) as caught:
        CLOUD.structured(event)
    says_it_all(caught.value)
    with pytest.raises(DuettoError) as caught:
        CLOUD.binary(event, KAFKA)
    says_it_all(caught.value)


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**63, "\ud800", {1: 2}, {"\ud800": 1}, {1, 2}, 1 + 2j, (1, 2)],
)
def test_data_that_is_no_json_is_refused(value: object) -> None:
    cloud = CloudEvents(lambda _: value, from_json)
    with pytest.raises(DuettoError) as caught:
        cloud.structured(EVENT)
    says_it_all(caught.value)


def test_a_long_batch_is_refused() -> None:
    event = Foreign("s", "1", "t")
    with pytest.raises(LimitExceeded):
        encode_batch([event] * 10_001)
    with pytest.raises(LimitExceeded):
        decode_batch(b"[" + b",".join([changed()] * 10_001) + b"]")


@given(st.binary(max_size=200))
def test_any_bytes_end_in_an_event_or_an_error(data: bytes) -> None:
    reads_or_errs([("content-type", STRUCTURED)], data, HTTP)
    reads_or_errs([("content-type", BATCH)], data, HTTP)
    reads_or_errs([*BASE.items(), ("content-type", "a/json")], data, HTTP)


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "time", "data", "data_base64", "datacontenttype", "dataschema"])
        | st.text(max_size=5),
        values | st.text(),
        max_size=8,
    )
)
def test_any_object_ends_in_an_event_or_an_error(members: dict[str, Any]) -> None:
    reads_or_errs([("content-type", STRUCTURED)], json.dumps({**GOOD, **members}).encode(), HTTP)
    schema = {"dataschema": "urn:duetto:t:1", "time": "2025-11-26T08:00:00Z", "id": "s/t/1:1"}
    ours = {**GOOD, **schema, **members}
    reads_or_errs([("content-type", STRUCTURED)], json.dumps(ours).encode(), HTTP)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*BASE, "ce-time", "ce_id", "content-type", "ce-"]) | st.text(),
            st.text(st.characters()) | st.binary(),
        ),
        max_size=8,
    ),
    st.binary(max_size=40),
    st.sampled_from(BINDINGS),
)
def test_any_headers_end_in_an_event_or_an_error(
    headers: list[tuple[str, str | bytes]], body: bytes, binding: Binding
) -> None:
    reads_or_errs(headers, body, binding)
    reads_or_errs([*BASE.items(), *headers], body, binding)


def reads_or_errs(headers: list[tuple[str, str | bytes]], body: bytes, binding: Binding) -> None:
    try:
        CLOUD.read(headers, body, binding)
    except DuettoError as error:
        says_it_all(error)
