"""`duetto doctor`: is there anything here that would keep an app from running well?"""

from __future__ import annotations

import fcntl
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Literal

import click
from msgspec import Struct, to_builtins

from duetto.cli.command import Command, screen
from duetto.cli.exits import DONE, NO
from duetto.cli.project import about_an_app, load_app
from duetto.cli.reach import Target
from duetto.errors import DuettoError, NotFound
from duetto.operations.caller import is_owned
from duetto.stores.sqlite import SqliteStore
from duetto.stores.sqlite.connection import page_checksums
from duetto.stores.sqlite.owner import owner_file, owner_of

SYNCS = 20
"""Enough for a median on any disk, and done within a second on a slow one."""
SYNC_SLOW_MS = 20.0
"""A commit waits for one sync: above this, one run at a time makes fewer than 50 steps a second."""
SYNC_FAST_MS = 0.02
"""No disk is so fast: the sync is not done, or the folder is in memory."""
NETWORK = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs", "lustre")
"""File systems, or how their names begin, whose locks do not keep owners on two machines apart."""

State = Literal["ok", "warn", "fail"]


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    name: str
    state: State
    text: str


@click.command(cls=Command)
@about_an_app
@click.pass_context
def doctor(ctx: click.Context, app_name: str | None, store: Path | None) -> None:
    """Look at versions, disk and store; exit with 1 if anything fails."""
    told, found = screen(), list(findings(Target(app_name, store)))
    if told.as_json:
        told.rows((to_builtins(one) for one in found), ())
    for one in found:
        told.line(f"{one.state:<4}  {one.name:<12} {one.text}")
    ctx.exit(NO if any(one.state == "fail" for one in found) else DONE)


def findings(target: Target) -> Iterator[Finding]:
    """Yield all that is looked at."""
    yield from versions()
    yield from guarded("app", lambda: app(target))
    try:
        path = target.path()
    except DuettoError:
        return
    yield from guarded("folder", lambda: folder(path.resolve().parent))
    if not path.exists():
        yield Finding("store", "ok", f"{path} does not exist yet")
        return
    yield from guarded("store", lambda: layout(path))
    yield from guarded("owner", lambda: owner(path))
    yield from guarded("runs", lambda: damage(path))


def guarded(name: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield what a look finds; an error is a finding."""
    try:
        yield from look()
    except DuettoError as error:
        yield Finding(name, "fail", "; ".join(line.strip() for line in str(error).splitlines()))
    except OSError as error:
        yield Finding(name, "fail", str(error))


def versions() -> Iterator[Finding]:
    """Yield what runs here."""
    yield Finding("python", "ok", f"{platform.python_version()} on {sys.platform}")
    for name in ("duetto", "msgspec", "apsw"):
        yield Finding(name, "ok", version(name))
    checks = page_checksums()
    yield Finding(
        "checksums",
        "ok" if checks else "warn",
        "pages of stores have checksums"
        if checks
        else "this apsw has no `cksumvfs`: damaged pages are found late",
    )
    try:
        yield Finding("uvloop", "ok", version("uvloop"))
    except PackageNotFoundError:
        yield Finding("uvloop", "ok", "not installed; duetto[uvloop] is faster")


def app(target: Target) -> Iterator[Finding]:
    """Yield whether the app can be loaded."""
    loaded = load_app(target.app, target.store)
    workflows = ", ".join(sorted(loaded.workflows)) or "no workflows"
    yield Finding("app", "ok", f"{loaded.name}: {workflows}; {loaded.placement.name}")


def folder(path: Path) -> Iterator[Finding]:
    """Yield how fast a folder syncs, and whether it is on this machine."""
    if not path.is_dir():
        raise NotFound(f"There is no folder {path}.", do="make it")
    took_ms = sync_ms(path)
    slow, fast = took_ms > SYNC_SLOW_MS, took_ms < SYNC_FAST_MS
    said = ", which is slow" if slow else ", which no disk is: is it in memory?" if fast else ""
    yield Finding("sync", "warn" if slow or fast else "ok", f"{took_ms:.2f} ms in {path}{said}")
    kind = file_system(path)
    if kind.startswith(NETWORK):
        yield Finding("disk", "warn", f"{kind} is a network file system: use a local disk")
    elif kind:
        yield Finding("disk", "ok", kind)


def sync_ms(folder: Path) -> float:
    """Return the median time of a small write that is synced."""
    file = folder / f".duetto-doctor-{os.getpid()}"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        return median(timed(descriptor) for _ in range(SYNCS))
    finally:
        os.close(descriptor)
        file.unlink()


def timed(descriptor: int) -> float:
    """Return the ms of one synced write of a page."""
    begun = time.perf_counter()
    os.write(descriptor, bytes(4096))
    os.fsync(descriptor)
    return (time.perf_counter() - begun) * 1000


def file_system(path: Path) -> str:
    """Return the kind of file system that a folder is on, where the system says so."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return ""
    best, kind = "", ""
    for line in mounts.read_text("utf-8", "replace").splitlines():
        _, point, found, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found
    return kind


def layout(path: Path) -> Iterator[Finding]:
    """Yield the size of a store and the steps that it lacks."""
    steps = SqliteStore.plan(path)
    size = f"{path}, {path.stat().st_size:,} bytes"
    if steps:
        todo = ", ".join(step.title for step in steps)
        yield Finding("store", "fail", f"{size}; older than this version: {todo}; store upgrade")
    else:
        yield Finding("store", "ok", f"{size}, of the newest layout")


def owner(path: Path) -> Iterator[Finding]:
    """Yield who owns a store, and whether it answers."""
    if not is_locked(path):
        yield Finding("owner", "ok", "nobody")
        return
    found = owner_of(path)
    who = f"process {found.pid} on {found.host}" if found else "a process that is just starting"
    answers = is_owned(path)
    said = "answers" if answers else "does not listen: only reads reach its store"
    yield Finding("owner", "ok" if answers else "warn", f"{who}, {said}")


def is_locked(path: Path) -> bool:
    """Does a process own the store?"""
    file = owner_file(path.resolve())
    if not file.exists():
        return False
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def damage(path: Path) -> Iterator[Finding]:
    """Yield how many runs are open, and each that is damaged."""
    opened = SqliteStore.open(path, read_only=True)
    try:
        count = sum(1 for _ in opened.unfinished())
        damaged = opened.damaged()
    finally:
        opened.close()
    yield Finding("runs", "ok", f"{count} open")
    for one in damaged:
        yield Finding("damage", "fail", f"run {one.run or one.rid}: {one.reason}")
