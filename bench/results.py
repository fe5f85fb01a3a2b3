# SPDX-License-Identifier: GPL-2.0
"""Figures: reads files of them, arranges them in tables, compares them.

A figure is a line of a file with tabs. The first line names the columns. The guests leave
workload, cpus, choice, metric and value; bench/run adds the columns before them.
"""
import os
import sys
from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, TextIO, Tuple, Type

# For the programs here as well.
sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../lab"))
import lib  # pylint: disable=wrong-import-position


class Figure(NamedTuple):
    """One measured value. A column that the file lacks is empty."""
    part: str = ""
    base: str = ""
    arch: str = ""
    kernel: str = ""
    workload: str = ""
    cpus: str = ""
    choice: str = ""
    metric: str = ""
    value: str = ""

    def number(self) -> Optional[float]:
        """The value, or None for '-', which stands for a figure that does not exist."""
        return None if self.value == "-" else float(self.value)

    def place(self) -> str:
        """What was measured, for messages."""
        names = [self.kernel, self.workload, cpus_text(self.cpus), self.choice, self.metric]
        return ", ".join(name for name in names if name)


NEEDED = ("workload", "cpus", "choice", "metric", "value")
UNPATCHED = "vanilla"


def cpus_text(cpus: str) -> str:
    """'1 CPU', '8 CPUs'."""
    return cpus + (" CPU" if cpus == "1" else " CPUs")


# -- files ---------------------------------------------------------------------

def read_rows(path: str, row: Type, needed: Iterable[str] = ()) -> List:
    """The lines of a file as tuples of the type @row; lines that begin with # are left out."""
    names: List[str] = []
    rows = []
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise lib.Failure(f"can't read {path}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if not names:
            names = fields
            lacking = [name for name in needed or row._fields if name not in names]
            if lacking:
                raise lib.Failure(f"{path}, line {number}: the header lacks {', '.join(lacking)}")
            unknown = [name for name in names if name not in row._fields]
            if unknown:
                raise lib.Failure(f"{path}, line {number}: unknown column {', '.join(unknown)}")
        elif len(fields) != len(names):
            raise lib.Failure(f"{path}, line {number}: {len(fields)} columns in place of "
                              f"{len(names)}")
        else:
            rows.append(row(**dict(zip(names, fields))))
    return rows


def write_rows(file: TextIO, row: Type, rows: Iterable) -> None:
    """The header and the lines of @rows."""
    print(*row._fields, sep="\t", file=file)
    for fields in rows:
        print(*fields, sep="\t", file=file)


def read(path: str) -> List[Figure]:
    """The figures of a file, of which there is at least one."""
    figures = read_rows(path, Figure, NEEDED)
    if not figures:
        raise lib.Failure(f"{path} has no figures")
    for figure in figures:
        try:
            figure.number()
        except ValueError:
            raise lib.Failure(f"{path}: '{figure.value}' is not a number: "
                              f"{figure.place()}") from None
    return figures


def write(path: str, figures: Iterable[Figure]) -> None:
    """Write a file of figures."""
    with open(path, "w", encoding="utf-8") as file:
        write_rows(file, Figure, figures)


# -- comparing -----------------------------------------------------------------

def above_unpatched(figures: Iterable[Figure]) -> Callable[[Figure], Optional[float]]:
    """A function: how far a figure is above that of the unpatched kernel, None if unknown."""
    def place(figure: Figure) -> Figure:
        return figure._replace(kernel="", choice="", value="")

    unpatched = {place(f): f.number() for f in figures if f.kernel == UNPATCHED}

    def difference(figure: Figure) -> Optional[float]:
        mine, other = figure.number(), unpatched.get(place(figure))
        return None if mine is None or other is None else mine - other

    return difference


# -- tables --------------------------------------------------------------------

class Table(NamedTuple):
    """Figures as blocks of lines. All is in the order in which it appears in the file."""
    columns: List[str]
    blocks: Dict[Tuple[str, str], List[str]]  # (workload, cpus): metrics
    values: Dict[Tuple[Tuple[str, str], str, str], str]  # (block, metric, column)


def columns_of(figures: Iterable[Figure]) -> Callable[[Figure], str]:
    """A function: the column of a figure, its choice. The kernel's name is added if several
    kernels have that choice."""
    kernels: Dict[str, set] = {}
    for figure in figures:
        kernels.setdefault(figure.choice, set()).add(figure.kernel)

    def column(figure: Figure) -> str:
        if len(kernels[figure.choice]) == 1:
            return figure.choice
        if figure.choice in figure.kernel:
            return figure.kernel
        return f"{figure.kernel} {figure.choice}"

    return column


def table(figures: List[Figure]) -> Table:
    """Arrange figures. If one appears twice, the last counts."""
    column = columns_of(figures)
    made = Table([], {}, {})
    latest: Dict[Tuple, str] = {}
    for figure in figures:
        block, name = (figure.workload, figure.cpus), column(figure)
        metrics = made.blocks.setdefault(block, [])
        if name not in made.columns:
            made.columns.append(name)
        if figure.metric not in metrics:
            # A metric that only some columns have stands behind the one before it there.
            before = latest.get((block, name))
            metrics.insert(metrics.index(before) + 1 if before else 0, figure.metric)
        latest[block, name] = figure.metric
        made.values[block, figure.metric, name] = figure.value
    return made


def text(made: Table) -> str:
    """The table for a terminal."""
    def title(block: Tuple[str, str]) -> str:
        return f"{block[0]}, {cpus_text(block[1])}"

    left = max(max(len(title(block)), *(len(m) + 2 for m in metrics))
               for block, metrics in made.blocks.items())
    width = {c: max(len(c), *(len(v) for key, v in made.values.items() if key[2] == c))
             for c in made.columns}
    blocks = []
    for block, metrics in made.blocks.items():
        lines = [title(block).ljust(left) + "".join("  " + c.rjust(width[c]) for c in made.columns)]
        for metric in metrics:
            cells = (made.values.get((block, metric, c), "-").rjust(width[c])
                     for c in made.columns)
            lines.append(("  " + metric).ljust(left) + "".join("  " + cell for cell in cells))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def html_text(plain: str) -> str:
    """Text for a page."""
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def html(made: Table) -> str:
    """The table for a page."""
    heads = "".join(f"<th>{html_text(name)}</th>"
                    for name in ["workload", "CPUs", "figure"] + made.columns)
    lines = [f"<table><tr>{heads}</tr>"]
    for block, metrics in made.blocks.items():
        for metric in metrics:
            left = "".join(f"<td>{html_text(name)}</td>" for name in (*block, metric))
            cells = "".join(f"<td class=n>{html_text(made.values.get((block, metric, c), ''))}</td>"
                            for c in made.columns)
            lines.append(f"<tr>{left}{cells}</tr>")
    return "\n".join(lines + ["</table>"])
