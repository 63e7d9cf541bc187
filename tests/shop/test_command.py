"""What the command says where it is called wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from duetto.examples.shop.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["ABSENT.csv", "--placement", "orchestration", "--data", "d"], "does not exist"),
        ([__file__, "--data", "d"], "Missing option '--placement'"),
        ([__file__, "--placement", "orchestration"], "Missing option '--data'"),
        (
            [__file__, "--placement", "orchestration", "--data", "d", "--concurrency", "0"],
            "0 is not in the range",
        ),
        ([__file__, "--placement", "orchestration", "--data", "d"], "This is no file of invoices"),
    ],
)
def test_a_wrong_call_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(main, ["run", *arguments])
    assert answer.exit_code != 0
    assert complaint in answer.output
    assert not list(tmp_path.iterdir())
