"""Which app and which store a command is about: `[tool.duetto]`, or its options."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import click
from msgspec import Struct

from duetto.app import App
from duetto.authoring.workflow import Workflow
from duetto.errors import ConfigurationError, DuettoError, NotFound

F = TypeVar("F", bound=Callable[..., Any])

KEYS = ("app", "store")


class Project(Struct, frozen=True):
    """What is configured; `folder` is where `pyproject.toml` is, or the current one."""

    folder: Path
    app: str = ""
    store: Path | None = None


def find_project(start: Path) -> Project:
    """Return the project of a folder: the nearest `pyproject.toml` with `[tool.duetto]` above it.

    Raises ConfigurationError for what the table may not hold.
    """
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file() and (table := _table(file)) is not None:
            return _checked(folder, file, table)
    return Project(start)


def _table(file: Path) -> dict[str, Any] | None:
    try:
        return tomllib.loads(file.read_text("utf-8")).get("tool", {}).get("duetto")
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file} is not TOML.", found=str(error), do="mend it") from error


def _checked(folder: Path, file: Path, table: dict[str, Any]) -> Project:
    for key, value in table.items():
        if key not in KEYS:
            raise NotFound.named(f"setting of [tool.duetto] in {file}:", key, KEYS)
        if not isinstance(value, str):
            raise ConfigurationError(
                f"`{key}` of [tool.duetto] in {file} is no text.",
                found=repr(value),
                expected='app = "module:app", store = "./name.sqlite"',
                do="put it into quotes",
            )
    store = table.get("store")
    return Project(folder, table.get("app", ""), folder / store if store else None)


def named_app(command: F) -> F:
    """Add the option that says which app a command is about."""
    option = click.option(
        "--app",
        "app_name",
        metavar="MODULE:APP",
        help="The app; by default that of [tool.duetto] in pyproject.toml.",
    )
    return option(command)


def about_an_app(command: F) -> F:
    """Add the options that say which app and which store a command is about."""
    store = click.option(
        "--store",
        metavar="PATH",
        type=click.Path(dir_okay=False, path_type=Path),
        help="The store's file; by default that of [tool.duetto], or the app's own.",
    )
    return named_app(store(command))


def load_app(name: str | None, store: Path | None = None) -> App:
    """Return the app that the options or the project name, at its store.

    Raises NotFound or ConfigurationError, and DefinitionError where a workflow does not compile.
    """
    project = find_project(Path.cwd())
    wanted = name or project.app
    if not wanted:
        raise ConfigurationError(
            "No app is named.",
            found="neither --app nor [tool.duetto] in a pyproject.toml here or above",
            expected='[tool.duetto] with app = "module:app"',
            do="give --app MODULE:APP, or `duetto new NAME` for a project that has it",
        )
    for folder in (str(project.folder), str(Path.cwd())):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    app = _attribute(wanted)
    where = store or (project.store if not name else None)
    if where is not None:
        app.configure(store=where)
    return app


def _attribute(wanted: str) -> App:
    module_name, _, attribute = wanted.partition(":")
    module = _module(module_name, wanted)
    names: dict[str, object] = vars(module)
    found = {key: value for key, value in names.items() if isinstance(value, App)}
    app = found.get(attribute or "app")
    if app is None:
        raise NotFound.named(
            f"app in the module `{module_name}`:", attribute or "app", found, do="make an App there"
        )
    return app


def workflow_named(app: App, name: str) -> Workflow[..., Any]:
    """Return a workflow of the app. Raises NotFound, with a suggestion."""
    if name not in app.workflows:
        raise NotFound.named("workflow", name, app.workflows)
    return app.workflows[name]


def _module(name: str, wanted: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise _unimportable(name, error) from error
        raise NotFound(
            f"There is no module `{name}`.",
            found=wanted,
            expected=f"a module in {Path.cwd()}, or an installed one",
            do="check --app or `app` of [tool.duetto]",
        ) from error
    except DuettoError:
        raise
    except Exception as error:  # any error of the user's module: it is shown with its line
        raise _unimportable(name, error) from error


def _unimportable(name: str, error: BaseException) -> ConfigurationError:
    return ConfigurationError(
        f"The module `{name}` cannot be imported.",
        found=f"{type(error).__name__}: {error}{_line_of(error)}",
        do="mend it; --traceback shows where it came from",
    )


def _line_of(error: BaseException) -> str:
    """Return the last line of the user's that an error passed."""
    if isinstance(error, SyntaxError):
        return f"   {error.filename}:{error.lineno}"
    trace, where = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<") and f"{Path(__file__).parent.parent}" not in file:
            where = f"   {file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return where
