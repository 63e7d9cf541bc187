"""The event classes that are known here: by class, by topic, and by the name a definition uses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from duetto.authoring.event import EventType, declared_event, key_of, key_text
from duetto.authoring.types import name_of
from duetto.authoring.upcast import upcasters
from duetto.authoring.window import ms_of
from duetto.codec import Codec, Plan
from duetto.errors import ConfigurationError, NotFound, StoreDamaged, ValueRefused
from duetto.model.event import Event


class Kind(Struct, frozen=True, eq=False):
    """An event class with what it was declared as, and how its events are stored."""

    cls: type
    declared: EventType
    plan: Plan
    earlier: Mapping[int, tuple[Plan, Callable[[Any], Any]]]
    """By version, how its events were stored, and what makes one of today of them."""

    @property
    def topic(self) -> str:
        """The name under which its events are published."""
        return self.declared.name

    def pack(self, value: Any) -> tuple[str, bytes]:
        """Return the key and the data of an event. Raises ValueRefused."""
        try:
            return key_text(key_of(value)), self.plan.encode(value)
        except ValueRefused as refused:
            raise ValueRefused(
                f"An event {self.topic} cannot be published.",
                found=refused.found,
                expected=refused.expected,
                do=refused.do,
            ) from refused
        except AttributeError as error:
            raise ValueRefused(
                f"An event {self.topic} has no key.",
                found=str(error),
                expected=f"a field `{self.declared.key}`",
                do="name the field that orders its events in `@event(key=…)`",
            ) from error

    def time_of(self, value: Any) -> int | None:
        """Return when an event happened, in ms since the epoch; None where its class does not say.

        Raises ValueRefused for what is no time.
        """
        if not self.declared.time:
            return None
        try:
            return ms_of(getattr(value, self.declared.time))
        except (AttributeError, TypeError, OverflowError) as error:
            raise ValueRefused(
                f"An event {self.topic} does not say when it happened.",
                found=str(error),
                expected=f"a field `{self.declared.time}`, a datetime or ms since the epoch",
                do="name the field that says so in `@event(time=…)`",
            ) from error

    def knows(self, version: int) -> bool:
        """Return whether this code knows what events of a version say: a newer one does not fit
        until it is deployed."""
        return version <= self.declared.version

    def load(self, data: bytes, version: int) -> Any:
        """Return an event anew, as one of today. Raises ValueRefused for data of another shape."""
        if version not in self.earlier:
            return self._decoded(self.plan, data, version)
        plan, upcaster = self.earlier[version]
        return self._upcast(upcaster, self._decoded(plan, data, version), version)

    def _upcast(self, upcaster: Callable[[Any], Any], old: Any, version: int) -> Any:
        try:
            made = upcaster(old)
        except Exception as error:  # anybody's code
            raise self._unfit(f"{type(error).__name__}: {error}", version) from error
        if type(made) is not self.cls:
            raise self._unfit(f"an upcaster that makes {type(made).__qualname__}", version)
        return made

    def to_json(self, data: bytes, version: int) -> Any:
        """Return an event as it was published, as JSON has it. Raises ValueRefused."""
        live = self.original(data, version)
        return msgspec.to_builtins(live, str_keys=True, enc_hook=_dumped)

    def from_json(self, data: bytes | str, version: int = 0) -> Any:
        """Return an event of the JSON of its fields, in a version; 0 is that of today.

        Raises ValueRefused.
        """
        upcaster = upcasters(self.cls).get(version)
        cls: Any = self.cls if upcaster is None else upcaster.old
        try:
            validate: Any = getattr(cls, "model_validate_json", None)
            found = validate(data) if callable(validate) else msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
            raise ValueRefused(
                f"The JSON does not fit the event {self.topic}.",
                found=str(error)[:300],
                expected=f"the fields of {cls.__qualname__}",
                do="`duetto contracts export` writes its schema",
            ) from error
        return found if upcaster is None else self._upcast(upcaster.make, found, version)

    def original(self, data: bytes, version: int) -> Any:
        """Return an event as it was published, in the class of its version. Raises ValueRefused."""
        plan, _ = self.earlier.get(version, (self.plan, None))
        return self._decoded(plan, data, version)

    def _decoded(self, plan: Plan, data: bytes, version: int) -> Any:
        try:
            return plan.decode(data)
        except StoreDamaged as other:
            raise self._unfit(other.found, version) from other

    def _unfit(self, found: str, version: int) -> ValueRefused:
        now = self.declared.version
        return ValueRefused(
            f"An event does not fit {self.topic}.",
            found=found,
            expected=f"{self.cls.__qualname__}, version {now}"
            + (f", or what `@upcast({version})` makes one of" if version < now else ""),
            do="mend it and redrive it: `duetto deadletters redrive --data …`",
        )


def _dumped(value: object) -> object:
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else repr(value)


class Kinds:
    """The event classes of one app."""

    def __init__(self, classes: Iterable[type], codec: Codec) -> None:
        self._codec = codec
        self._by_class: dict[type, Kind] = {}
        self.by_topic: dict[str, Kind] = {}
        self._by_name: dict[str, Kind] = {}
        for cls in classes:
            self.add(cls)

    def add(self, cls: type) -> Kind:
        """Make a class known. Raises ConfigurationError for no event, or a topic that is taken."""
        if (known := self._by_class.get(cls)) is not None:
            return known
        declared = declared_event(cls, where="an app")
        earlier = {
            version: (self._codec.plan_for(upcaster.old), upcaster.make)
            for version, upcaster in upcasters(cls).items()
        }
        kind = Kind(cls, declared, self._codec.plan_for(cls), earlier)
        taken = self.by_topic.setdefault(declared.name, kind)
        if taken is not kind:
            raise ConfigurationError(
                f"Two events are named `{declared.name}`.",
                found=f"{name_of(taken.cls)} and {name_of(cls)}",
                expected="one class a topic",
                do="give one a name of its own: `@event(name=…)`",
            )
        self._by_class[cls] = self._by_name[name_of(cls)] = kind
        return kind

    def check_owners(self, services: Collection[str]) -> None:
        """Raise ConfigurationError for an event whose owner is no service of the app."""
        for topic, kind in self.by_topic.items():
            if kind.declared.owner and kind.declared.owner not in services:
                raise ConfigurationError(
                    f"The owner of the event `{topic}` is no service of this app.",
                    found=kind.declared.owner,
                    expected=f"one of: {', '.join(sorted(services)) or 'no services'}",
                    do=f"add `{kind.declared.owner}` to services=[…]",
                )

    def of(self, value: object) -> Kind:
        """Return the kind of an event. Raises ConfigurationError for what is none."""
        return self._by_class.get(type(value)) or self.add(type(value))

    def named(self, name: str) -> Kind | None:
        """Return the kind that a definition names as `module:Class`."""
        return self._by_name.get(name)

    def topic(self, topic: str) -> Kind:
        """Return the kind of a topic. Raises NotFound."""
        kind = self.by_topic.get(topic)
        if kind is None:
            raise NotFound.named("event", topic, self.by_topic)
        return kind

    def load(self, event: Event, mended: bytes = b"") -> Any:
        """Return an event as its class has it, what it was `mended` to instead where that is
        given. Raises NotFound, or ValueRefused."""
        kind = self.topic(event.topic)
        return kind.load(mended or event.data, kind.declared.version if mended else event.version)
