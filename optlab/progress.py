"""Progress bars on anything that may take more than two seconds (rich, on stderr, only on a terminal)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def bar(title: str, total: int, show: bool = True) -> Iterator[Callable[..., None]]:
    """A bar over ``total`` items: call the yielded function with the name and number of the items just finished."""
    if not show:
        yield lambda name, count=1: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                  TextColumn("{task.fields[item]}"), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total, item="")

        def tick(name: str, count: int = 1) -> None:
            progress.update(task, advance=count, item=name)

        yield tick


def ticker(title: str, steps: int, after: float = 2.0) -> Callable[[int], Any]:
    """A step counter that shows itself only once a run has taken ``after`` seconds."""
    from rich.console import Console

    console = Console(stderr=True)
    start = time.perf_counter()
    last = [start]

    def tick(k: int) -> None:
        now = time.perf_counter()
        if now - start > after and (now - last[0] > 0.5 or k == steps):
            last[0] = now
            console.print(f"{title}: step {k} of {steps}", end="\r" if k < steps else "\n")

    return tick
