"""Draws a package as SVG from the graph of its modules.

Boxes on floors, with arrows to what is imported. An arrow that others imply
(a to c where a to b and b to c are drawn) is left out. The drawing has
colours of its own for light and dark, and needs no program beside Python.
"""

from __future__ import annotations

import graphlib
import html
import itertools
import textwrap
from collections import defaultdict
from collections.abc import Mapping

from tests.house import Graph, House

_GAP = 24
_FLOOR = 36
_LINE = 14
_CHARACTER = 6.7
_MARGIN = 16

_STYLE = """
.house { max-width: 100%; height: auto; font: 11px monospace; }
.house .ground { fill: #ffffff; }
.house .room { fill: #eef2f7; stroke: #51606f; }
.house text { fill: #1b2733; text-anchor: middle; }
.house .name { font-weight: bold; font-size: 12px; }
.house .arrow { fill: none; stroke: #51606f; }
.house .head { fill: #51606f; }
@media (prefers-color-scheme: dark) {
  .house .ground { fill: #10161c; }
  .house .room { fill: #1d2833; stroke: #9fb0c0; }
  .house text { fill: #e6edf3; }
  .house .arrow { stroke: #9fb0c0; }
  .house .head { fill: #9fb0c0; }
}
"""


def reduced(graph: Graph) -> dict[str, set[str]]:
    """Return a graph without the arrows that others imply."""
    below: dict[str, set[str]] = {}
    for room in graphlib.TopologicalSorter(graph).static_order():
        below[room] = set(graph[room]).union(*(below[r] for r in graph[room]))
    return {
        room: {
            other
            for other in graph[room]
            if not any(other in below[third] for third in graph[room])
        }
        for room in graph
    }


def floors(graph: Graph) -> dict[str, int]:
    """Return room -> its floor: 0 where it imports no other room."""
    floor: dict[str, int] = {}
    for room in graphlib.TopologicalSorter(graph).static_order():
        floor[room] = max((floor[r] + 1 for r in graph[room]), default=0)
    return floor


class Drawing:
    """Boxes on floors, the lowest at the bottom, and arrows downwards.

    An arrow over several floors passes each one between boxes.

    :param modules: room -> names of the modules in it
    """

    def __init__(self, graph: Graph, modules: Mapping[str, list[str]]) -> None:
        self._lines = {
            room: textwrap.wrap(' '.join(modules.get(room, ())), 26)
            for room in graph
        }
        floor = floors(graph)
        self._rows: list[list[str]] = [
            [] for _ in range(max(floor.values()) + 1)
        ]
        for room in sorted(graph):
            self._rows[floor[room]].append(room)
        self._paths: list[list[str]] = []
        self._next: defaultdict[str, set[str]] = defaultdict(set)
        for room, others in reduced(graph).items():
            for other in sorted(others):
                self._add_path(room, other, floor)
        self._order()
        self._place()

    def _add_path(self, room: str, other: str, floor: dict[str, int]) -> None:
        path = [room]
        for between in range(floor[room] - 1, floor[other], -1):
            passage = f'{room}>{other}@{between}'
            self._rows[between].append(passage)
            path.append(passage)
        path.append(other)
        self._paths.append(path)
        for one, two in itertools.pairwise(path):
            self._next[one].add(two)
            self._next[two].add(one)

    def _order(self) -> None:
        """Sort each floor by where its neighbours are, again and again."""
        for _ in range(12):
            for row in (*self._rows, *reversed(self._rows)):
                place = {
                    node: number / len(other)
                    for other in self._rows
                    for number, node in enumerate(other)
                }
                row.sort(
                    key=lambda node, place=place: (
                        sum(place[other] for other in self._next[node])
                        / max(len(self._next[node]), 1)
                    )
                )

    def _width(self, node: str) -> float:
        if '>' in node:
            return 8
        longest = max([node, *self._lines[node]], key=len)
        return len(longest) * _CHARACTER + 20

    def _height(self, node: str) -> int:
        return (len(self._lines.get(node, ())) + 1) * _LINE + 12

    def _place(self) -> None:
        """Give each node a place: near its neighbours, beside its floor."""
        widths = [
            sum(map(self._width, row)) + _GAP * (len(row) - 1)
            for row in self._rows
        ]
        self.width = max(widths) + 2 * _MARGIN
        self._x: dict[str, float] = {}
        for row, width in zip(self._rows, widths, strict=True):
            left = (self.width - width) / 2
            for node in row:
                self._x[node] = left + self._width(node) / 2
                left += self._width(node) + _GAP
        for _ in range(20):
            for row in self._rows:
                self._settle(row)
        self._top: dict[str, float] = {}
        self._bottom: dict[str, float] = {}
        top = float(_MARGIN)
        for row in reversed(self._rows):
            bottom = top + max(map(self._height, row))
            self._top |= dict.fromkeys(row, top)
            self._bottom |= dict.fromkeys(row, bottom)
            top = bottom + _FLOOR
        self.height = top - _FLOOR + _MARGIN

    def _settle(self, row: list[str]) -> None:
        for node in row:
            near = self._next[node]
            if near:
                wish = sum(self._x[other] for other in near) / len(near)
                self._x[node] += (wish - self._x[node]) / 2
        left = float(_MARGIN)
        for node in row:
            self._x[node] = max(self._x[node], left + self._width(node) / 2)
            left = self._x[node] + self._width(node) / 2 + _GAP
        right = self.width - _MARGIN
        for node in reversed(row):
            self._x[node] = min(self._x[node], right - self._width(node) / 2)
            right = self._x[node] - self._width(node) / 2 - _GAP

    def svg(self, title: str) -> str:
        parts = [
            f'<svg class="house" xmlns="http://www.w3.org/2000/svg" '
            f'role="img" aria-label="{html.escape(title)}" '
            f'viewBox="0 0 {self.width:.0f} {self.height:.0f}" '
            f'width="{self.width:.0f}">',
            f'<style>{_STYLE}</style><title>{html.escape(title)}</title>',
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" '
            'markerWidth="7" markerHeight="7" orient="auto">'
            '<path class="head" d="M0 0L8 4L0 8z"/></marker></defs>',
            '<rect class="ground" width="100%" height="100%" rx="6"/>',
        ]
        parts += [self._arrow(path) for path in self._paths]
        parts += [self._box(room) for room in self._lines]
        return '\n'.join([*parts, '</svg>'])

    def _arrow(self, path: list[str]) -> str:
        start, end = path[0], path[-1]
        edge = self._top[start] + self._height(start)
        steps = [f'M{self._x[start]:.0f} {edge:.0f}']
        for before, node in itertools.pairwise(path):
            x, top = self._x[node], self._top[node]
            middle = top - _FLOOR / 2
            steps.append(
                f'V{self._bottom[before]:.0f} '
                f'C{self._x[before]:.0f} {middle:.0f} {x:.0f} {middle:.0f} '
                f'{x:.0f} {top:.0f}'
            )
        return (
            f'<path class="arrow" data-from="{start}" data-to="{end}" '
            f'd="{" ".join(steps)}" marker-end="url(#head)"/>'
        )

    def _box(self, room: str) -> str:
        x, top, width = self._x[room], self._top[room], self._width(room)
        box = (
            f'<rect class="room" x="{x - width / 2:.0f}" y="{top:.0f}" '
            f'width="{width:.0f}" height="{self._height(room)}" rx="4"/>'
            f'<text class="name" x="{x:.0f}" y="{top + 17:.0f}">{room}</text>'
        )
        for number, line in enumerate(self._lines[room], 1):
            y = top + 17 + _LINE * number
            box += f'<text x="{x:.0f}" y="{y:.0f}">{line}</text>'
        return box


def draw(house: House, package: str) -> str:
    """Return a package as SVG."""
    graph = house.rooms(package)
    inner = {
        room: [
            f'{name}/'
            if f'{package}.{room}.{name}' in house.packages
            else name
            for name in sorted(house.rooms(f'{package}.{room}'))
        ]
        for room in graph
        if f'{package}.{room}' in house.packages
    }
    return Drawing(graph, inner).svg(f'Parts of {package} and their imports')
