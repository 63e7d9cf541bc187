"""Definitions by digest: today's, and those of runs that began before today."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from duetto.authoring.symbols import Symbols
from duetto.authoring.workflow import Workflow
from duetto.codec import Codec
from duetto.errors import DefinitionError, DuettoError, NotFound
from duetto.kernel.program import Program
from duetto.model.definition import FORMAT, Definition, decode, digest, encode

Fetch = Callable[[str], bytes | None]


class Programs:
    """Links each definition once; fetches unknown ones from the stores of this process."""

    def __init__(
        self, workflows: Iterable[Workflow[..., object]], codec: Codec, symbols: Symbols
    ) -> None:
        self.codec, self._symbols = codec, symbols
        self._fetches: list[Fetch] = []
        self._linked: dict[str, Program] = {}
        self._refused: dict[str, DuettoError] = {}
        self._encoded: dict[str, bytes] = {}
        self.by_name: dict[str, str] = {}
        """The digest of today's definition of each workflow, callees included."""
        for workflow in workflows:
            self._add(workflow)

    def _add(self, workflow: Workflow[..., object]) -> None:
        definition = workflow.definition
        name = digest(definition)
        if name in self._encoded:
            return
        self._encoded[name] = encode(definition)
        self.by_name.setdefault(workflow.name, name)
        for callee in workflow.callees.values():
            self._add(callee)

    def beside(self) -> Programs:
        """Return the same, for another process that fetches from stores of its own: what is linked
        once serves both."""
        found = Programs((), self.codec, self._symbols)
        found.by_name, found._encoded = self.by_name, dict(self._encoded)
        found._linked = self._linked
        return found

    def fetch_from(self, fetch: Fetch) -> None:
        """Look for definitions that are not known yet by `fetch`, which takes a digest."""
        self._fetches.append(fetch)

    def encoded(self, name: str) -> bytes:
        """Return a definition's bytes by its digest. Raises NotFound."""
        if name not in self._encoded:
            found = next((data for fetch in self._fetches if (data := fetch(name))), None)
            if found is None:
                raise NotFound(
                    f"There is no definition {name[:8]} here.",
                    found=name,
                    expected="a definition of this app, or one kept in its stores",
                    do="deploy the version that started the run once more",
                )
            self._encoded[name] = found
        return self._encoded[name]

    def definition(self, name: str) -> Definition:
        """Return a definition by its digest. Raises NotFound, or DefinitionError for one that a
        newer version wrote."""
        try:
            return decode(self.encoded(name))
        except msgspec.MsgspecError as error:
            raise DefinitionError(
                f"The definition {name[:8]} cannot be read by this Duetto.",
                found=str(error),
                expected=f"a definition of format {FORMAT} or older",
                do="upgrade this participant",
            ) from error

    def program(self, name: str) -> Program:
        """Return the linked definition. Raises NotFound where a symbol is not known here."""
        program = self._linked.get(name)
        if program is None:
            program = self._linked[name] = self._link(name)
        return program

    def _link(self, name: str) -> Program:
        if name in self._refused:
            raise self._refused[name].with_traceback(None)
        definition = self.definition(name)
        try:
            return Program(
                definition,
                name,
                codec=self.codec,
                symbol=self._symbols.resolve,
                callee=self.program,
            )
        except DuettoError as refused:
            # A hundred thousand runs may ask again, and what it lacks comes with a process only.
            self._refused[name] = refused
            raise

    def closure(self, name: str) -> list[tuple[str, str, bytes]]:
        """Return (digest, name, bytes) of a definition and all that it calls."""
        found: dict[str, tuple[str, str, bytes]] = {}
        wanted = [name]
        while wanted:
            one = wanted.pop()
            if one not in found:
                definition = self.definition(one)
                found[one] = (one, definition.name, self.encoded(one))
                wanted += [callee for _, callee in definition.callees if callee]
        return list(found.values())
