"""The plugin as pytest runs it: in a project of a user's own, failing tests included."""

from __future__ import annotations

import re

import pytest

pytest_plugins = ["pytester"]

APP = """
from duetto import App, Service, workflow

till = Service("till")

@till.task
async def charge(pence: int) -> str:
    return f"payment of {pence}"

@workflow
async def sell(pence: int) -> str:
    return await charge(pence)

app = App("shop", services=[till], workflows=[sell])
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with an app; its tests are still to be written."""
    pytester.makepyfile(shop=APP)
    pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error")
    pytester.syspathinsert()
    return pytester


def test_a_failure_prints_the_command_that_reproduces_it(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_shop="""
        from shop import app, sell

        def test_it(duetto_app, duetto_placement):
            assert duetto_app(app).run(sell, 7, id="order-1") == "a present"
        """
    )
    result = project.runpytest("--duetto-seed=42", "-k", "hybrid")
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(
        [
            "*duetto: to reproduce it*",
            "pytest 'test_shop.py::test_it[[]hybrid]' --duetto-seed=42",
            "*duetto: runs*",
            "order-1 completed at *",
            "    00:00:00Z  the app / *run of sell begins on definition *, with pence",
            "    00:00:00Z  till / *till.charge completed: attempt 1*",
        ]
    )


def test_a_reader_sees_their_own_lines_only(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_shop="""
        from shop import app, charge, sell

        def test_it(duetto_app, duetto_tasks):
            def broken(pence):
                return [][pence]

            duetto_tasks.mock(charge).calls(broken)
            duetto_app(app).run(sell, 7)

        def test_another(duetto_app):
            duetto_app(app).result("nobody")

        def test_a_third(duetto_app):
            duetto_app(app, placement="hybrid:tall")
        """
    )
    result = project.runpytest("--tb=short")
    result.assert_outcomes(failed=3)
    shown = [line for line in result.outlines if re.match(r"\S+\.py:\d+: ", line)]
    assert [line.partition(":")[0] for line in shown] == ["test_shop.py"] * 4
    result.stdout.fnmatch_lines(["E *IndexError: list index out of range"])


def test_the_command_is_for_where_pytest_was_called(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project.mkdir("tests")
    (folder / "test_shop.py").write_text(
        "class TestIt:\n    def test_it(self, duetto_app): assert False"
    )
    monkeypatch.chdir(folder)
    result = project.runpytest("--duetto-seed=42")
    result.stdout.fnmatch_lines(["pytest test_shop.py::TestIt::test_it --duetto-seed=42"])


def test_the_command_does_what_it_says(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_shop="""
        from shop import app, sell

        def test_it(duetto_app):
            assert duetto_app(app).start(sell, 7) == ""
        """
    )
    [first] = drawn_ids(project.runpytest("test_shop.py::test_it"))
    [again] = [
        line
        for line in project.runpytest().outlines
        if line.startswith("pytest test_shop.py::test_it --duetto-seed=")
    ]
    repeated = [project.runpytest(*again.split()[1:]) for _ in range(2)]
    assert drawn_ids(repeated[0]) == drawn_ids(repeated[1]) != [first]


def drawn_ids(result: pytest.RunResult) -> list[str]:
    """Return the ids of the runs that a failure tells of."""
    return [line.split()[0] for line in result.outlines if " completed at " in line]


def test_a_marker_gives_the_seed(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_shop="""
        import pytest

        @pytest.mark.duetto_seed(42)
        def test_it(duetto_seed):
            assert duetto_seed == 42

        def test_the_others(duetto_seed):
            assert duetto_seed == 7
        """
    )
    project.runpytest("--duetto-seed=7").assert_outcomes(passed=2)


def test_a_test_runs_under_all_placements(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_shop="""
        import pytest
        from shop import app, sell

        pytestmark = pytest.mark.usefixtures("duetto_placement")

        def test_it(duetto_app):
            shop = duetto_app(app)
            assert shop.run(sell, 7) == "payment of 7"
            print("under", shop.placement.name)
        """
    )
    result = project.runpytest("-s")
    result.assert_outcomes(passed=3)
    for name in ("orchestration", "choreography", "hybrid:till"):
        result.stdout.fnmatch_lines([f"*under {name}"])


def test_a_crash_that_never_came_fails_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_shop="""
        from shop import app, sell

        def test_it(duetto_app, duetto_crash):
            duetto_crash.after("till.chrage")
            duetto_app(app).run(sell, 7)

        def test_that_fails_anyway(duetto_crash):
            duetto_crash.after("till.chrage")
            assert False

        def test_that_knows_better(duetto_app, duetto_crash):
            shop = duetto_app(app)
            duetto_crash.after("till.chrage")
        """
    )
    result = project.runpytest()
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["E *do        did you mean `till.charge`?"])
    result = project.runpytest("-k", "test_it")
    result.stdout.fnmatch_lines(
        [
            "A planned crash never came.",
            "  found     after till.chrage",
            "  expected  what happens in this test; called were: till.charge",
        ]
    )


def test_a_failure_of_other_tests_says_nothing_of_duetto(project: pytest.Pytester) -> None:
    project.makepyfile(test_other="def test_it(): assert False")
    result = project.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*duetto:*")


def test_the_fixtures_are_documented_where_pytest_lists_them(project: pytest.Pytester) -> None:
    result = project.runpytest("--fixtures", "-q")
    for name in ("app", "clock", "crash", "placement", "seed", "tasks"):
        result.stdout.fnmatch_lines([f"duetto_{name} -- *"])
    project.runpytest("--markers").stdout.fnmatch_lines(["@pytest.mark.duetto_seed(n): *"])
