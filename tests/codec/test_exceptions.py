"""Exceptions travel as data, and come back as what they were where their class is known."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duetto.authoring.symbols import Symbols
from duetto.codecs import MsgpackCodec
from duetto.errors import (
    Cancelled,
    DefinitionError,
    NotFound,
    RunFailed,
    TaskError,
    ValueRefused,
)
from tests.codec import strategies as s
from tests.codec import values as v

CODEC = v.a_codec()
ELSEWHERE = MsgpackCodec(Symbols([]))


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """Return an exception that was raised, so that it has a trace."""
    try:
        raise error from cause
    except type(error) as caught:
        return caught


def undecodable() -> UnicodeDecodeError:
    with pytest.raises(UnicodeDecodeError) as caught:
        b"\xff".decode()
    return caught.value


def not_json() -> json.JSONDecodeError:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("{")
    return caught.value


def test_an_exception_is_data() -> None:
    error = CODEC.error(raised(v.Refused(5, "no"), KeyError("k")))
    assert error.type == "tests.codec.values:Refused"
    assert error.bases == ("Exception",)
    assert error.message == "no (5)"
    assert "in raised\n    raise error from cause" in error.trace
    assert error.cause is not None
    assert (error.cause.type, error.cause.bases) == ("KeyError", ("LookupError", "Exception"))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a", 1),
        KeyError("k"),
        FileNotFoundError(2, "No such file", "x"),
        ImportError("no", name="a"),
        ConnectionResetError(104, "reset"),
        TimeoutError(),
        StopIteration(5),
        undecodable(),
        v.Refused(5, "no"),
        v.Picky(),
        ExceptionGroup("several", [ValueError(1), KeyError(2)]),
        Cancelled(),
        NotFound.named("run", "x", ["y"]),
        RunFailed("r", "failed", found="a", do="b"),
        DefinitionError("wrong", file="a.py", line=1, column=2),
        TaskError("a:B", "said"),
    ],
    ids=repr,
)
def test_an_exception_of_a_known_class_comes_back(error: BaseException) -> None:
    back = CODEC.exception(CODEC.error(error))
    assert type(back) is type(error)
    assert repr(back.args) == repr(error.args)
    assert str(back) == str(error)
    assert vars(back).keys() == vars(error).keys()
    assert CODEC.error(back).data == CODEC.error(error).data


def test_init_does_not_run_again() -> None:
    error = v.Refused(5, "no")
    error.tries.append(6)
    error.add_note("noted")
    back = CODEC.exception(CODEC.error(error))
    assert isinstance(back, v.Refused)
    assert (back.reason, back.tries, back.__notes__) == ("no", [5, 6], ["noted"])


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(not_json(), id="a class that no module of the app has"),
        pytest.param(v.Unstorable(object()), id="arguments that cannot be stored"),
        pytest.param(v.Unstorable(float("nan")), id="a number that cannot be stored"),
    ],
)
def test_others_are_a_task_error_that_says_what_it_was(error: Exception) -> None:
    data = CODEC.error(error)
    back = CODEC.exception(data)
    assert isinstance(back, TaskError)
    assert back.type_name == data.type
    assert str(error) in str(back)
    assert CODEC.error(back) == data


def test_an_unknown_class_is_a_task_error_and_known_again_elsewhere() -> None:
    data = CODEC.error(v.Refused(5, "no"))
    there = ELSEWHERE.exception(data)
    assert isinstance(there, TaskError)
    assert there.type_name == "tests.codec.values:Refused"
    assert isinstance(CODEC.exception(ELSEWHERE.error(there)), v.Refused)


def test_causes_come_back_and_loops_of_them_end() -> None:
    back = CODEC.exception(CODEC.error(raised(v.Refused(1, "a"), ValueError("b"))))
    assert repr(back.__cause__) == "ValueError('b')"
    one, two = ValueError(1), ValueError(2)
    one.__cause__, two.__cause__ = two, one
    assert CODEC.error(one).cause is not None


def test_a_message_that_cannot_be_said_hides_nothing() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert CODEC.error(Mute()).message == ""
    assert CODEC.error(ValueError("\ud800")).message == "?"
    assert isinstance(CODEC.exception(CODEC.error(ValueError("\ud800"))), TaskError)


def test_an_exception_is_a_value() -> None:
    error = v.Refused(5, "no")
    for annotation in (Any, v.Refused, v.Refused | None):
        plan = CODEC.plan_for(annotation)
        found = plan.decode(plan.encode(error))
        assert isinstance(found, v.Refused)
        assert found.args == (5, "no")
    with pytest.raises(ValueRefused):
        CODEC.plan_for(v.Refused).encode(ValueError())


@given(st.lists(s.DYNAMIC, max_size=3), st.dictionaries(st.sampled_from("abc"), s.DYNAMIC))
def test_arguments_and_attributes_come_back(args: list[Any], attributes: dict[str, Any]) -> None:
    error = v.Unstorable(*args)
    vars(error).update(attributes)
    back = CODEC.exception(CODEC.error(error))
    assert type(back) is v.Unstorable
    assert v.same(back.args, tuple(args))
    assert v.same(vars(back), attributes)
