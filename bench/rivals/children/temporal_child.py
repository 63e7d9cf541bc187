"""Temporal: the workloads as its documentation writes them; `bench.rivals.temporal` runs this.

It is outside the type checker, because its rival is installed only in bench/.cache/venv-temporal.
"""

import asyncio
import itertools
import os
from collections.abc import Awaitable
from datetime import timedelta

import rounds
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = "bench"
TIMEOUT = timedelta(
    minutes=5
)  # far beyond any wait here: a retry would be counted as no work and blur the figures


@activity.defn
async def trivial(number: int) -> int:
    return number + 1


async def step(number: int, local: bool) -> int:
    if local:
        return await workflow.execute_local_activity(
            trivial, number, schedule_to_close_timeout=TIMEOUT
        )
    return await workflow.execute_activity(trivial, number, start_to_close_timeout=TIMEOUT)


@workflow.defn
class Sequence:
    @workflow.run
    async def run(self, local: bool) -> int:
        number = 0
        for _ in range(rounds.SEQUENCE_STEPS):
            number = await step(number, local)
        return number


@workflow.defn
class Fanout:
    @workflow.run
    async def run(self, local: bool) -> int:
        return sum(
            await asyncio.gather(*(step(number, local) for number in range(rounds.FANOUT_BRANCHES)))
        )


@workflow.defn
class Loop:
    @workflow.run
    async def run(self, number: int, turns: int, local: bool) -> int:
        while number < turns:
            number = await step(number, local)
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(args=[number, turns, local])
        return number


@workflow.defn
class Nap:
    @workflow.run
    async def run(self, seconds: float) -> None:
        await asyncio.sleep(seconds)  # in a workflow this is Temporal's durable timer


class Starter:
    """Starts workflows with ids that are never used twice."""

    def __init__(self, client: Client, *, local: bool) -> None:
        self._client = client
        self._local = local
        self._numbers = itertools.count()

    def plan(self, workload: str, concurrency: int) -> rounds.Plan:
        match workload:
            case "sequence":
                return rounds.sequence(lambda _: self._run(Sequence.run, self._local), concurrency)
            case "fanout":
                return rounds.fanout(lambda _: self._run(Fanout.run, self._local), concurrency)
            case "loop":
                return rounds.loop(
                    lambda turns: self._run(Loop.run, 0, turns, self._local), concurrency
                )
            case _:
                return rounds.timers(self._start_nap, concurrency)

    async def _run(self, kind: object, *args: object) -> object:
        handle = await self._start(kind, *args)
        return await handle.result()

    async def _start_nap(self, seconds: float) -> Awaitable[object]:
        handle = await self._start(Nap.run, seconds)
        return handle.result()

    async def _start(self, kind: object, *args: object):
        return await self._client.start_workflow(
            kind,
            args=args,
            id=f"run-{os.getpid()}-{next(self._numbers)}",
            task_queue=QUEUE,
            request_eager_start=True,  # the first task comes with the answer, not by a poll
        )


async def main() -> None:
    parser = rounds.arguments()
    parser.add_argument("--address", required=True)
    parser.add_argument("--activities", choices=["local", "remote"], required=True)
    options = parser.parse_args()
    client = await Client.connect(options.address)
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[Sequence, Fanout, Loop, Nap],
        activities=[trivial],
        workflow_runner=UnsandboxedWorkflowRunner(),  # the sandbox would only cost CPU
        max_cached_workflows=20_000,  # none of a round is evicted and replayed
    )
    async with worker:
        starter = Starter(client, local=options.activities == "local")
        plan = starter.plan(options.workload, options.concurrency)
        rounds.answer_and_leave(await rounds.median_rate(plan, options.seconds))


if __name__ == "__main__":
    asyncio.run(main())
