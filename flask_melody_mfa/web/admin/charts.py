"""Bar charts, measured here and drawn as inline SVG by a template, without script or style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 560, 180
LEFT, BOTTOM, TOP = 44, 26, 10
GAP = 0.25
"""How much of a bar's place stays free."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar. `series`: the number of the series that it belongs to."""

    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of the grid, or a label below it."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, ready to be drawn."""

    bars: tuple[Bar, ...]
    rows: tuple[Mark, ...]
    columns: tuple[Mark, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT


def measured(labels: Sequence[str], series: Sequence[Sequence[int]], *, every: int = 7) -> Chart:
    """A chart with a bar for each label and series; every so many labels are written."""
    marks = steps(max((max(values, default=0) for values in series), default=0))
    room, ground = HEIGHT - BOTTOM - TOP, HEIGHT - BOTTOM
    place = (WIDTH - LEFT) / max(1, len(labels))
    width = place * (1 - GAP) / max(1, len(series))
    bars = tuple(
        Bar(
            x=round(LEFT + place * (at + GAP / 2) + width * number, 1),
            y=round(ground - room * value / marks[-1], 1),
            width=round(width, 1),
            height=round(room * value / marks[-1], 1),
            series=number,
        )
        for number, values in enumerate(series)
        for at, value in enumerate(values)
        if value
    )
    rows = tuple(Mark(round(ground - room * mark / marks[-1], 1), str(mark)) for mark in marks)
    columns = tuple(
        Mark(round(LEFT + place * (at + 0.5), 1), label)
        for at, label in enumerate(labels)
        if at % every == 0
    )
    return Chart(bars, rows, columns)


def steps(most: int) -> list[int]:
    """Five round marks from nothing to at least `most`."""
    sizes = (step * 10**power for power in range(12) for step in (1, 2, 5))
    size = next(size for size in sizes if size * 4 >= most)
    return [size * mark for mark in range(5)]
