"""What the services of the pipeline tell one another."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from duetto import event

UNITS = {
    "CO(GT)": "mg/m³",
    "PT08.S1(CO)": "raw",
    "NMHC(GT)": "µg/m³",
    "C6H6(GT)": "µg/m³",
    "PT08.S2(NMHC)": "raw",
    "NOx(GT)": "ppb",
    "PT08.S3(NOx)": "raw",
    "NO2(GT)": "µg/m³",
    "PT08.S4(NO2)": "raw",
    "PT08.S5(O3)": "raw",
    "T": "°C",
    "RH": "%",
    "AH": "g/m³",
}
"""The unit of each metric, in the order of the file's columns."""


@event
class RowRead(Struct, frozen=True):
    """A row of the file, as it is; `line` counts from 1, the header included."""

    line: int
    text: str


@event(key="row", time="at")
class Measured(Struct, frozen=True):
    """A row that makes sense: the values that are not missing. `row` is its date and time."""

    row: str
    line: int
    at: datetime
    values: dict[str, float]


class Reading(Struct, frozen=True):
    """One value of a row."""

    metric: str
    unit: str
    value: float


@event(key="row", time="at")
class Enriched(Struct, frozen=True):
    """A row with the part of the day, and the unit of each value."""

    row: str
    line: int
    at: datetime
    part: str
    readings: tuple[Reading, ...]


class Aggregate(Struct, frozen=True):
    """What became of the values of one metric in a window."""

    metric: str
    unit: str
    count: int
    mean: float
    min: float
    max: float


@event
class Hour(Struct, frozen=True):
    """The aggregates of an hour, and of how many rows."""

    start: datetime
    rows: int
    aggregates: tuple[Aggregate, ...]


@event
class Day(Struct, frozen=True):
    """The aggregates of a day."""

    start: datetime
    aggregates: tuple[Aggregate, ...]


@event
class PartOfDay(Struct, frozen=True):
    """The aggregates of six hours of a day."""

    start: datetime
    part: str
    aggregates: tuple[Aggregate, ...]
