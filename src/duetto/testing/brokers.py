"""What every broker promises, as tests: say how to connect, and the suite holds it to them.

    class TestMyBroker(BrokerContract):
        @asynccontextmanager
        async def connected(self, place: Path) -> AsyncGenerator[Connection]: ...

Connecting twice to one place is connecting to one broker again: that is what a restart is. The
suite knows no broker by name. What one does not claim in its `Capabilities` is skipped, and a
broker without topics takes `MessageContract` alone. Tests wait for what they expect; where nothing
is to come they look for as long as `QUIET_S`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from duetto.broker import Acknowledge, Broker
from duetto.model.message import AskRun, Command, Message, Reporting, name
from duetto.model.token import Completed, Value
from duetto.testing.connections import MANY, QUIET_S, WAIT_S, Connection, Suite, run
from duetto.testing.topics import TopicContract


def a_message(number: int = 1, to: str = "payments", data: bytes = b"args") -> Message:
    """Return a command, another one for each number."""
    body = Command(f"/{number}", 1, "payments.charge", "shop", "/", data)
    return Message("run-1", "shop", "shop", to, 1_000, body)


class Receiver:
    """A participant: keeps what came, and acknowledges it, or what it is told to."""

    def __init__(self, *, acknowledges: bool = True) -> None:
        self.came: list[Message] = []
        self.acknowledges: list[Acknowledge] = []
        self._commits, self._changed = acknowledges, asyncio.Event()

    def receive(self, message: Message, acknowledge: Acknowledge) -> None:
        """Take a message, as the runtime does."""
        self.came.append(message)
        if self._commits:
            acknowledge()
        else:
            self.acknowledges.append(acknowledge)
        self._changed.set()

    @property
    def names(self) -> set[str]:
        """The names of what came."""
        return {name(each) for each in self.came}

    async def until(self, count: int) -> None:
        """Wait until so many different messages came."""
        async with asyncio.timeout(WAIT_S):
            while len(self.names) < count:
                self._changed.clear()
                await self._changed.wait()


class Sender:
    """Publishes, and again until it is confirmed: as the runtime does, only faster."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.confirmed: list[str] = []
        self._changed = asyncio.Event()

    def publish(self, *messages: Message) -> None:
        """Publish messages once."""
        for message in messages:
            called = name(message)

            def confirm(called: str = called) -> None:
                self.confirmed.append(called)
                self._changed.set()

            self.broker.publish(message, confirm)

    async def until_confirmed(self, *messages: Message) -> None:
        """Publish messages until the receiver of each has committed."""
        async with asyncio.timeout(WAIT_S):
            while left := [each for each in messages if name(each) not in self.confirmed]:
                self.publish(*left)
                await self._look(left)

    async def _look(self, left: list[Message]) -> None:
        try:
            async with asyncio.timeout(QUIET_S):
                while not {name(each) for each in left} <= set(self.confirmed):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return


class MessageContract(Suite):
    """Messages between participants: at least once to the right one, confirmed after its commit."""

    def test_a_message_arrives_as_it_was_sent(self, tmp_path: Path) -> None:
        async def test() -> None:
            sent = [
                a_message(1, data=bytes(range(256)) * 400),
                Message("läufe", "", "shop", "payments", 2**40, AskRun()),
                Message("r", "", "s", "payments", 0, Reporting("/", Completed(Value(3, b"\0")))),
            ]
            async with self.connected(tmp_path) as (broker, _):
                receiver, sender = Receiver(), Sender(broker)
                broker.subscribe("payments", receiver.receive)
                await sender.until_confirmed(*sent)
                assert {name(each): each for each in receiver.came} == {
                    name(each): each for each in sent
                }

        run(test())

    def test_each_message_goes_to_its_participant(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (broker, _):
                here, there, sender = Receiver(), Receiver(), Sender(broker)
                broker.subscribe("", here.receive)
                broker.subscribe("payments", there.receive)
                await sender.until_confirmed(a_message(1, to=""), a_message(2))
                assert {each.to for each in here.came} == {""}
                assert {each.to for each in there.came} == {"payments"}

        run(test())

    def test_it_is_confirmed_once_it_is_acknowledged(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (broker, _):
                receiver, sender = Receiver(acknowledges=False), Sender(broker)
                broker.subscribe("payments", receiver.receive)
                message = a_message()
                while not receiver.came:  # one that is lost is sent again
                    sender.publish(message)
                    try:
                        await asyncio.wait_for(receiver.until(1), QUIET_S)
                    except TimeoutError:
                        continue
                assert sender.confirmed == []
                receiver.acknowledges[0]()
                await sender.until_confirmed(message)

        run(test())

    def test_what_is_not_acknowledged_comes_again(self, tmp_path: Path) -> None:
        """The receiver died before its commit; its next life hears of the message."""

        async def test() -> None:
            async with self.connected(tmp_path) as (broker, _):
                dead, alive, sender = Receiver(acknowledges=False), Receiver(), Sender(broker)
                broker.subscribe("payments", dead.receive)
                sender.publish(*map(a_message, range(MANY)))
                with suppress(TimeoutError):  # some are lost, or late
                    await asyncio.wait_for(dead.until(MANY), QUIET_S)
                broker.unsubscribe("payments")
                broker.subscribe("payments", alive.receive)
                await sender.until_confirmed(*map(a_message, range(MANY)))
                assert len(alive.names) == MANY

        run(test())

    def test_what_comes_before_its_receiver_waits(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (broker, _):
                receiver, sender = Receiver(), Sender(broker)
                sender.publish(*map(a_message, range(5)))
                broker.subscribe("payments", receiver.receive)
                await sender.until_confirmed(*map(a_message, range(5)))
                assert len(receiver.names) == 5

        run(test())

    def test_a_message_may_be_published_again_and_again(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (broker, _):
                receiver, sender = Receiver(), Sender(broker)
                for _ in range(20):
                    sender.publish(a_message())
                broker.subscribe("payments", receiver.receive)
                await sender.until_confirmed(a_message())
                assert receiver.names == {name(a_message())}
                # What the broker has confirmed may be asked for anew: its receiver came back
                # without it, from a backup.
                again = Receiver()
                broker.subscribe("payments", again.receive)
                while not again.came:
                    sender.confirmed.clear()
                    await sender.until_confirmed(a_message())

        run(test())

    def test_many_messages_arrive(self, tmp_path: Path) -> None:
        async def test() -> None:
            async with self.connected(tmp_path) as (broker, _):
                receiver, sender = Receiver(), Sender(broker)
                broker.subscribe("payments", receiver.receive)
                sent = [a_message(number) for number in range(2_500)]
                await sender.until_confirmed(*sent)
                assert receiver.names == {name(each) for each in sent}

        run(test())

    def test_messages_outlive_their_sender(self, tmp_path: Path) -> None:
        async def test() -> None:
            await self.needs(tmp_path, "persistent")
            async with self.connected(tmp_path) as (broker, _):
                Sender(broker).publish(*map(a_message, range(MANY)))
            async with self.connected(tmp_path) as (broker, _):
                receiver = Receiver()
                broker.subscribe("payments", receiver.receive)
                await receiver.until(MANY)
                sender = Sender(broker)
                await sender.until_confirmed(*map(a_message, range(MANY)))

        run(test())

    def test_messages_cross_processes(self, tmp_path: Path) -> None:
        async def test() -> None:
            await self.needs(tmp_path, "shared")
            async with (
                self.connected(tmp_path) as (here, _),
                self.connected(tmp_path) as (there, _),
            ):
                receiver, answers = Receiver(), Receiver()
                there.subscribe("payments", receiver.receive)
                here.subscribe("", answers.receive)
                await Sender(here).until_confirmed(*map(a_message, range(MANY)))
                await Sender(there).until_confirmed(a_message(to=""))
                assert (len(receiver.names), len(answers.names)) == (MANY, 1)

        run(test())

    def test_the_receiver_that_came_last_hears(self, tmp_path: Path) -> None:
        """A host moved to another process: its former one holds up nothing."""

        async def test() -> None:
            await self.needs(tmp_path, "shared")
            async with (
                self.connected(tmp_path) as (old, _),
                self.connected(tmp_path) as (new, _),
            ):
                dead, alive = Receiver(acknowledges=False), Receiver()
                old.subscribe("payments", dead.receive)
                sender = Sender(old)
                sender.publish(*map(a_message, range(MANY)))
                await dead.until(MANY)
                new.subscribe("payments", alive.receive)
                await alive.until(MANY)
                await sender.until_confirmed(*map(a_message, range(MANY)))

        run(test())


class BrokerContract(MessageContract, TopicContract):
    """Everything that a broker promises."""


__all__ = ["BrokerContract", "Connection", "MessageContract", "TopicContract"]
