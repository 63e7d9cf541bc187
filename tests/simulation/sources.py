"""Draw Python source of the workflow subset: typed, closed, and ending."""

from __future__ import annotations

from collections import Counter
from random import Random

HEADER = '''"""A generated workflow."""

from __future__ import annotations

from typing import Any

from duetto.authoring import gather, saga, sleep, timeout, workflow
from tests.simulation.workshop import Bad, Point, count, double, move, note, spread


def mixed(a: int, b: int) -> int:
    return (a * 31 + b) % 1000


'''
INTS = ("i0", "i1", "i2")
LISTS = ("l0", "l1")
DICTS = ("d0",)
POINTS = ("p0", "p1")
TEXTS = ("s0",)

STATEMENTS = (
    *("int", "int", "list", "dict", "point", "text", "add", "unpack", "swap"),
    *("task", "task", "task", "gather", "gather_each", "if", "for", "while", "try", "try"),
    *("finally", "saga", "timeout", "call", "sleep", "note"),
)
ENDING = ("raise", "return", "assert", "jump")

COMPARISONS = ("<", ">=", "==", "!=")
DEPTH_MAX = 4


class Source:
    """One module: a workflow, and another that it calls."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.lines: list[str] = []
        self.kinds: Counter[str] = Counter()
        self.left = 0
        self.loops = 0
        self.names = 0
        self.can_call = False
        self.in_finally = False

    def module(self) -> str:
        """Draw the module; `flow` is its entry."""
        self.function("inner", random_size(self.random, 5))
        self.can_call = True
        self.function("flow", random_size(self.random, 16))
        return HEADER + "\n".join(self.lines) + "\n"

    def function(self, name: str, size: int) -> None:
        self.left, self.loops = size, 0
        self.lines += ["@workflow", f"async def {name}(i0: int, i1: int) -> Any:"]
        for line in (
            "i2: int = i0 * 3 + i1",
            "l0: list[int] = [i0, i1, 4]",
            "l1: list[int] = []",
            'd0: dict[str, int] = {"a": i0, "b": 2}',
            "p0: Point = Point(i0, i1)",
            "p1: Point = Point(y=1, x=2)",
            's0: str = "t"',
        ):
            self.write(1, line)
        while self.left > 0:
            self.statement(1)
        self.write(1, f"return ({', '.join((*INTS, *LISTS, *DICTS, *POINTS, *TEXTS))})")
        self.lines += ["", ""]

    def write(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    # -- statements

    def block(self, depth: int) -> None:
        for _ in range(self.random.randint(1, 3)):
            self.statement(depth)

    def statement(self, depth: int) -> None:
        self.left -= 1
        deep = depth > DEPTH_MAX or self.left < 0
        kinds = STATEMENTS[:15] if deep else STATEMENTS
        kind = self.random.choice(kinds)
        if depth > 2 and self.random.random() < 0.12:
            kind = self.random.choice(ENDING)
        self.kinds[kind] += 1
        getattr(self, f"on_{kind}")(depth)

    def on_int(self, depth: int) -> None:
        self.write(depth, f"{self.pick(INTS)} = {self.int()}")

    def on_list(self, depth: int) -> None:
        self.write(depth, f"{self.pick(LISTS)} = {self.list()}")

    def on_dict(self, depth: int) -> None:
        self.write(depth, f"{self.pick(DICTS)} = {self.dict()}")

    def on_point(self, depth: int) -> None:
        self.write(depth, f"{self.pick(POINTS)} = {self.point()}")

    def on_text(self, depth: int) -> None:
        self.write(depth, f"{self.pick(TEXTS)} = {self.text()}")

    def on_add(self, depth: int) -> None:
        name, sign = self.pick(INTS), self.random.choice(("+=", "-=", "*="))
        self.write(depth, f"{name} {sign} {self.int()}")
        # In a loop it would grow beyond 64 bits, which Python has and a store has not.
        self.write(depth, f"{name} %= 1000")

    def on_unpack(self, depth: int) -> None:
        first, second = self.random.sample(INTS, 2)
        target = self.random.choice(
            (f"{first}, *{self.pick(LISTS)}", f"{first}, {second}", f"*{self.pick(LISTS)}, {first}")
        )
        self.write(depth, f"{target} = {self.list()}")

    def on_swap(self, depth: int) -> None:
        first, second = self.random.sample(INTS, 2)
        self.write(depth, f"{first}, ({second}, s0) = {second}, ({first}, {self.text()})")

    def on_task(self, depth: int) -> None:
        self.write(
            depth,
            self.random.choice(
                (
                    f"{self.pick(INTS)} = await double({self.int()})",
                    f"{self.pick(INTS)} = await double(n={self.int()})",
                    f"{self.pick(POINTS)} = await move({self.point()}, {self.int()})",
                    f"{self.pick(POINTS)} = await move({self.point()})",
                    f"{self.pick(LISTS)} = await spread({self.int()})",
                    f"{self.pick(DICTS)} = await count({self.list()})",
                    f"await double({self.int()})",
                )
            ),
        )

    def on_note(self, depth: int) -> None:
        self.write(depth, f"await note({self.text()})")

    def on_gather(self, depth: int) -> None:
        self.write(
            depth,
            f"{self.pick(INTS)}, {self.pick(POINTS)}, _ = await gather("
            f"double({self.int()}), move({self.point()}, {self.int()}), double({self.int()}))",
        )

    def on_gather_each(self, depth: int) -> None:
        limit = self.random.choice(("", ", limit=1", ", limit=2"))
        test = self.random.choice(("", " if n % 2"))
        self.write(
            depth,
            f"{self.pick(LISTS)} = await gather("
            f"(double(n + {self.pick(INTS)}) for n in {self.list()}{test}){limit})",
        )

    def on_call(self, depth: int) -> None:
        if self.can_call:
            name = self.pick(INTS)
            self.write(depth, f"called = await inner({self.int()} % 100, {self.pick(INTS)})")
            self.write(depth, f"{name} = called[0]")
        else:
            self.on_task(depth)

    def on_sleep(self, depth: int) -> None:
        self.write(depth, "await sleep(0)")

    def on_if(self, depth: int) -> None:
        self.write(depth, f"if {self.test()}:")
        self.block(depth + 1)
        if self.random.random() < 0.3:
            self.write(depth, f"elif {self.test()}:")
            self.block(depth + 1)
        if self.random.random() < 0.5:
            self.write(depth, "else:")
            self.block(depth + 1)

    def on_for(self, depth: int) -> None:
        name = self.pick(INTS)
        header = self.random.choice(
            (
                f"for {name} in {self.list()}[:3]:",
                f"for {name} in range({self.random.randint(0, 3)}):",
                f"for s0, {name} in {self.dict()}.items():",
                f"for {name}, p0 in enumerate([{self.point()}, p1]):",
            )
        )
        self.write(depth, header)
        self.loop(depth)

    def on_while(self, depth: int) -> None:
        self.names += 1
        name = f"w{self.names}"
        self.write(depth, f"{name} = {self.random.randint(0, 3)}")
        self.write(depth, f"while {name} > 0 and {self.test()}:")
        self.write(depth + 1, f"{name} -= 1")
        self.loop(depth)

    def loop(self, depth: int) -> None:
        self.loops += 1
        self.block(depth + 1)
        self.loops -= 1
        if self.random.random() < 0.25:
            self.write(depth, "else:")
            self.block(depth + 1)

    def on_try(self, depth: int) -> None:
        self.write(depth, "try:")
        self.block(depth + 1)
        caught = self.random.choice(
            ("Bad", "ValueError", "(KeyError, IndexError)", "Exception", "ArithmeticError")
        )
        self.write(depth, f"except {caught} as error:")
        self.write(depth + 1, 's0 = f"{str(error)!r}"')
        self.block(depth + 1)
        if self.random.random() < 0.15:
            self.write(depth + 1, "raise")
        if self.random.random() < 0.3:
            self.write(depth, "else:")
            self.block(depth + 1)
        if self.random.random() < 0.3:
            self.final(depth)

    def on_finally(self, depth: int) -> None:
        self.write(depth, "try:")
        self.block(depth + 1)
        self.final(depth)

    def final(self, depth: int) -> None:
        self.write(depth, "finally:")
        before, loops = self.in_finally, self.loops
        self.in_finally, self.loops = True, 0
        self.block(depth + 1)
        self.in_finally, self.loops = before, loops

    def on_saga(self, depth: int) -> None:
        self.write(depth, f"async with saga({self.random.choice(('', 'keep=False'))}):")
        self.block(depth + 1)

    def on_timeout(self, depth: int) -> None:
        self.write(depth, "async with timeout(1000):")
        self.block(depth + 1)

    def on_raise(self, depth: int) -> None:
        error = self.random.choice(('Bad("raised")', f"ValueError({self.int()})", "KeyError"))
        self.write(depth, f"raise {error}")

    def on_return(self, depth: int) -> None:
        if self.in_finally:
            self.on_raise(depth)
        else:
            self.write(depth, f"return ({self.int()}, {self.list()}, {self.pick(TEXTS)})")

    def on_assert(self, depth: int) -> None:
        self.write(depth, f"assert {self.test()}, {self.text()}")

    def on_jump(self, depth: int) -> None:
        if self.loops:
            self.write(depth, self.random.choice(("break", "continue")))
        else:
            self.on_int(depth)

    # -- expressions

    def pick(self, names: tuple[str, ...]) -> str:
        return self.random.choice(names)

    def int(self, depth: int = 0) -> str:
        random = self.random
        if depth > 2 or random.random() < 0.3:
            return random.choice((*INTS, str(random.randint(-3, 12))))
        inner = depth + 1
        return random.choice(
            (
                lambda: f"({self.int(inner)} {random.choice('+-*')} {self.int(inner)}) % 1000",
                lambda: f"{self.int(inner)} // ({self.int(inner)} % 4)",
                lambda: f"-{self.pick(INTS)}",
                lambda: f"len({self.list(inner)})",
                lambda: f"sum({self.list(inner)}) % 1000",
                lambda: f"{self.pick(LISTS)}[{random.randint(-1, 2)}]",
                lambda: f'{self.pick(DICTS)}["{random.choice("abk")}"]',
                lambda: f'{self.pick(DICTS)}.get("{random.choice("abk")}", {self.int(inner)})',
                lambda: f"{self.pick(POINTS)}.{random.choice('xy')}",
                lambda: f"({self.int(inner)} if {self.test(inner)} else {self.int(inner)})",
                lambda: f"mixed({self.int(inner)}, {self.pick(INTS)})",
                lambda: f"max({self.int(inner)}, {self.int(inner)})",
            )
        )()

    def list(self, depth: int = 0) -> str:
        random = self.random
        if depth > 2 or random.random() < 0.3:
            return random.choice((*LISTS, "[3, 1, 2]"))
        inner = depth + 1
        return random.choice(
            (
                lambda: f"[{self.int(inner)}, *{self.pick(LISTS)}][:5]",
                lambda: f"[e % 9 + {self.pick(INTS)} % 9 for e in {self.list(inner)} if e > 0][:5]",
                lambda: f"sorted({self.list(inner)}, key=lambda e: -e % 7)",
                lambda: f"({self.list(inner)} + {self.list(inner)})[-4:]",
                lambda: f"list({self.dict(inner)}.values())",
                lambda: f"[a * b % 100 for a, b in zip({self.pick(LISTS)}, {self.list(inner)})]",
                lambda: f"{self.list(inner)}[{random.randint(-2, 1)}:]",
            )
        )()

    def dict(self, depth: int = 0) -> str:
        inner = depth + 1
        if depth > 2:
            return self.pick(DICTS)
        return self.random.choice(
            (
                lambda: self.pick(DICTS),
                lambda: f'{{"a": {self.int(inner)}, **{self.pick(DICTS)}}}',
                lambda: f'{{"b": {self.int(inner)}, "k": {self.pick(INTS)}}}',
                lambda: f"{{key: value + 1 for key, value in {self.pick(DICTS)}.items()}}",
            )
        )()

    def point(self, depth: int = 0) -> str:
        inner = depth + 1
        return self.random.choice(
            (
                lambda: self.pick(POINTS),
                lambda: f"Point({self.int(inner)})",
                lambda: f"Point(x={self.int(inner)}, y={self.pick(INTS)})",
            )
        )()

    def text(self, depth: int = 0) -> str:
        inner = depth + 1
        return self.random.choice(
            (
                lambda: self.pick(TEXTS),
                lambda: f'f"{{{self.pick(INTS)}:>3}} {{{self.pick(POINTS)}.x!r}}"',
                lambda: f"str({self.int(inner)})",
                lambda: f'({self.pick(TEXTS)} + "u")[-9:]',
                lambda: f'",".join(str(e) for e in {self.pick(LISTS)})',
            )
        )()

    def test(self, depth: int = 0) -> str:
        inner = depth + 1
        return self.random.choice(
            (
                lambda: f"{self.pick(INTS)} {self.random.choice(COMPARISONS)} {self.int(inner)}",
                lambda: f"0 < {self.pick(INTS)} <= {self.int(inner)}",
                lambda: f"{self.pick(INTS)} in {self.list(inner)}",
                lambda: f"not {self.list(inner)}",
                lambda: f"{self.pick(POINTS)} == {self.point(inner)}",
                lambda: f'("a" in {self.pick(DICTS)} and {self.pick(INTS)} % 2 == 0)',
                lambda: f"any(e > 2 for e in {self.list(inner)})",
                lambda: "True",
            )
        )()


def random_size(random: Random, most: int) -> int:
    return random.randint(2, most)
