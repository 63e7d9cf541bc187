"""Who may publish what: handlers and windows, only what their return annotations declare."""

from __future__ import annotations

from collections.abc import Mapping

from duetto.model.message import EventPage


class Rights:
    """What each handler and window makes, by its name.

    Watermarks go by what is declared (PROTOCOL, rule 36), so an event of one who does not declare
    it would come from someone that nobody waits for. A name that is not known here is that of
    another version of the app, and is let through.
    """

    def __init__(self, makes: Mapping[str, frozenset[str]]) -> None:
        self._makes = makes
        self._told: dict[str, str] = {}

    def refusal(self, source: str, page: EventPage) -> str:
        """Return why a page of a store is not taken, "" where it is."""
        for event in page.events:
            if event.source != source or event.topic != page.topic:
                return f"{event.name} is not of {page.topic} in the log of {source}"
            makes = self._makes.get(event.by)
            if makes is not None and event.topic not in makes:
                return f"{event.by} does not declare that it publishes {event.topic}"
        return ""

    def is_news(self, source: str, reason: str) -> bool:
        """Return whether it is to be told: what is refused is sent again and again."""
        told, self._told[source] = self._told.get(source), reason
        return told != reason
