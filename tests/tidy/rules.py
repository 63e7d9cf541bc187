"""The house rules: each takes one source and yields the places that break it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.tidy.sources import Finding, Source

# Numbers from the models in the style guide: one function in a hundred is over 60 lines, and
# hardly a file over 600.
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 600
# What a newcomer can take in from one import.
PUBLIC_NAMES_MAX = 25
# An excuse shorter than this says nothing.
REASON_WORDS_MIN = 2

# Names that say nothing of what is inside, so that everything ends there.
VAGUE_NAMES = {"base", "common", "core", "helper", "helpers", "manager", "util", "utils"}
BLANKET_ERRORS = {"BaseException", "Exception"}
UNSAFE_MODULES = {"dill", "marshal", "pickle", "shelve"}
UNSAFE_CALLS = {"__import__", "eval", "exec"}
SLEEPERS = {"anyio", "asyncio", "time", "trio"}
IMPURE_CALLS = {"input", "open", "print"}
IMPURE_METHODS = {"now", "today", "utcnow"}

EXCUSE = re.compile(
    r"#\s*(?:type:\s*ignore(?:\[[^\]]*\])?|noqa(?::[\s\w,]*\b[A-Z]+\d+)?|pyright:\s*\w+(?:\[[^\]]*\]|=\w+)?)"
)
MACHINE_PATH = re.compile(r"(?<![\w./~-])/(?:(?:work|root)\b(?!\()|tmp/)")
HOSTS = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("crates", "io"),
)
REGISTRY_HOST = re.compile("|".join(re.escape(".".join(host)) + r"\b" for host in HOSTS))


def module_has_docstring(source: Source) -> Iterator[Finding]:
    """A module opens with one sentence: what it owns."""
    empty_marker = not source.text and source.path.endswith("/__init__.py")
    if ast.get_docstring(source.tree) is None and not empty_marker:
        yield Finding(source.path, 1, "a module opens with a docstring: what it owns")


def functions_are_short(source: Source) -> Iterator[Finding]:
    """The tail is what hurts: split a function before it needs a map."""
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                what = f"`{node.name}` has {lines} lines; expected at most {FUNCTION_LINES_MAX}"
                yield Finding(source.path, node.lineno, what)


def files_are_short(source: Source) -> Iterator[Finding]:
    """A duty is a file; a longer one holds two."""
    lines = len(source.text.splitlines())
    if lines > FILE_LINES_MAX:
        yield Finding(source.path, lines, f"{lines} lines; expected at most {FILE_LINES_MAX}")


def names_say_what_is_inside(source: Source) -> Iterator[Finding]:
    """A file's name is its concept."""
    for part in PurePosixPath(source.path).with_suffix("").parts:
        if part.strip("_") in VAGUE_NAMES:
            yield Finding(source.path, 1, f"`{part}` does not say what is inside; name its concept")


def excepts_are_narrow(source: Source) -> Iterator[Finding]:
    """A blanket except hides bugs that it was not written for, so it says why it is there."""
    for node in source.nodes:
        if not isinstance(node, ast.ExceptHandler):
            continue
        if node.type is None:
            yield Finding(source.path, node.lineno, "bare `except:`; name the errors")
        elif BLANKET_ERRORS & set(names_in(node.type)) and not is_explained(source, node):
            what = "a blanket `except` needs a comment with its reason, on its line or beside it"
            yield Finding(source.path, node.lineno, what)


def is_explained(source: Source, handler: ast.ExceptHandler) -> bool:
    """Is there a comment from the line above the handler to its first statement?"""
    first_statement = handler.body[0].lineno
    return any(line in source.comments for line in range(handler.lineno - 1, first_statement + 1))


def names_in(expression: ast.expr) -> list[str]:
    """Return the names of an except clause, be it one class or a tuple of them."""
    parts = expression.elts if isinstance(expression, ast.Tuple) else [expression]
    return [ast.unparse(part).rpartition(".")[2] for part in parts]


def excuses_have_reasons(source: Source) -> Iterator[Finding]:
    """An excuse to a tool says in words why the tool is wrong."""
    for line, comment in source.comments.items():
        if EXCUSE.search(comment):
            words = re.findall(r"[A-Za-z]{2,}", EXCUSE.sub("", comment))
            if len(words) < REASON_WORDS_MIN:
                what = f"`{comment}` needs its reason, in words behind it"
                yield Finding(source.path, line, what)


def nothing_evaluates_text(source: Source) -> Iterator[Finding]:
    """Definitions are data: nothing is run from text or from bytes that an attacker may write."""
    for node in source.nodes:
        for module in imported_modules(node):
            if module.partition(".")[0] in UNSAFE_MODULES:
                yield Finding(source.path, line_of(node), f"`{module}` runs what it reads")
        if called_name(node) in UNSAFE_CALLS:
            yield Finding(source.path, line_of(node), f"`{called_name(node)}(` runs text")


def kernel_is_pure(source: Source) -> Iterator[Finding]:
    """What an import contract cannot see: the clock in `datetime`, and builtins that do I/O."""
    for node in source.nodes:
        if called_name(node) in IMPURE_CALLS:
            yield Finding(source.path, line_of(node), f"`{called_name(node)}(` does I/O")
        if called_method(node) in IMPURE_METHODS:
            yield Finding(source.path, line_of(node), f"`.{called_method(node)}(` reads a clock")


def tests_do_not_sleep(source: Source) -> Iterator[Finding]:
    """Wait on a signal, on `join()` or on the virtual clock: a nap is too short or too long."""
    sleepers = names_of_sleep(source)
    for node in source.nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func) in sleepers and naps(node):
            yield Finding(source.path, node.lineno, f"`{ast.unparse(node)}`: wait on a signal")


def names_of_sleep(source: Source) -> set[str]:
    """Return how this file may spell the sleep of a real clock."""
    names = {f"{module}.sleep" for module in SLEEPERS}
    for node in source.nodes:
        if isinstance(node, ast.ImportFrom) and node.module in SLEEPERS:
            names |= {alias.asname or alias.name for alias in node.names if alias.name == "sleep"}
    return names


def naps(call: ast.Call) -> bool:
    """Does this call sleep for a constant that is not zero? (Zero only lets others run.)"""
    argument = call.args[0] if call.args else None
    return isinstance(argument, ast.Constant) and bool(argument.value)


def names_no_machine(path: str, text: str) -> Iterator[Finding]:
    """A checkout works anywhere: no path of one machine, no host that one network reaches."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in MACHINE_PATH.finditer(line):
            yield Finding(path, number, f"`{found.group()}` is a path of one machine")
        for found in REGISTRY_HOST.finditer(line):
            yield Finding(path, number, f"`{found.group()}` is the host of a registry")


def root_is_small(source: Source) -> Iterator[Finding]:
    """The root has few names."""
    names = public_names(source)
    if len(names) > PUBLIC_NAMES_MAX:
        what = f"{len(names)} public names; expected at most {PUBLIC_NAMES_MAX}"
        yield Finding(source.path, 1, what)


def public_names(source: Source) -> list[str]:
    """Return the names in `__all__`."""
    for node in source.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
            assert isinstance(node, ast.Assign)
            return list(ast.literal_eval(node.value))
    return []


def errors_are_drawn(source: Source) -> Iterator[Finding]:
    """The whole tree of errors stands in the docstring of its module."""
    drawn = set(re.findall(r"\w+", ast.get_docstring(source.tree) or ""))
    for node in source.tree.body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        if node.name not in drawn:
            what = f"`{node.name}` is missing from the tree in the module's docstring"
            yield Finding(source.path, node.lineno, what)


def imported_modules(node: ast.AST) -> list[str]:
    """Return the modules that a statement imports."""
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module)):
            return [module]
        case _:
            return []


def called_name(node: ast.AST) -> str | None:
    """Return the plain name that is called, if it is one."""
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name
        case _:
            return None


def called_method(node: ast.AST) -> str | None:
    """Return the attribute that is called, if it is one."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name)):
            return name
        case _:
            return None


def line_of(node: ast.AST) -> int:
    """Return the line of a node that has one."""
    return getattr(node, "lineno", 1)
