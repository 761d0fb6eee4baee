"""Programs in interleaved short turns, and each turn against the nearest one of another program.

On a machine that others use, or whose clock moves, a program that runs for a minute meets other conditions than the
next one. What holds is the ratio of two turns close to each other in time, and the median of many such ratios.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from harness.programs import Target

Figures = dict[str, float]


@dataclass
class Turn:
    """One program's turn."""

    at: float
    """The middle of it, in seconds."""
    figures: Figures


Turns = dict[str, list[Turn]]


def interleaved(targets: list[Target], rounds: int, measure: Callable[[Target], Figures]) -> Turns:
    """`rounds` turns of each, every round beginning with another one."""
    turns: Turns = {target.name: [] for target in targets}
    for number in range(rounds):
        begin = number % len(targets)
        for target in targets[begin:] + targets[:begin]:
            start = time.monotonic()
            figures = measure(target)
            turns[target.name].append(Turn((start + time.monotonic()) / 2, figures))
    return turns


def median(turns: list[Turn], figure: str) -> float:
    """Of one figure over all turns."""
    return statistics.median(turn.figures[figure] for turn in turns)


def ratio(turns: Turns, name: str, base: str, figure: str) -> float:
    """The median of a program's turns, each divided by `base`'s nearest in time."""
    return statistics.median(
        turn.figures[figure] / nearest(turns[base], turn).figures[figure] for turn in turns[name]
    )


def added(turns: Turns, base: str, figure: str) -> Turns:
    """The same turns, with `figure` less what `base` had nearest in time."""
    return {
        name: [Turn(turn.at, {figure: turn.figures[figure] - nearest(turns[base], turn).figures[figure]}) for turn in of]
        for name, of in turns.items()
        if name != base
    }


def nearest(turns: list[Turn], to: Turn) -> Turn:
    return min(turns, key=lambda turn: abs(turn.at - to.at))
