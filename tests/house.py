"""The graph of a package's modules, and which way its arrows may go.

It reads source text with :mod:`ast` and imports nothing. Imports inside
functions and under ``TYPE_CHECKING`` count. The import of a name through a
package's ``__init__`` counts as one of the module that defines it.
"""

from __future__ import annotations

import ast
import functools
import graphlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Graph = Mapping[str, frozenset[str]]

#: Package -> its modules and sub-packages: each may import those before it.
ORDER = {
    'sev_scheduling': [
        *(
            'records',
            'text',
            'problems',
            'exceptions',
            'arguments',
            'models',
            'opts',
        ),
        *('request', 'rules', 'audit', 'prefilter', 'hosts', 'diagnosis'),
        *('explain', 'documents', 'configuration', 'placement', 'compute'),
        *('scheduler', 'nova', 'testing', 'cli'),
    ],
    'sev_scheduling.models': ['model', 'checks', 'registry'],
    'sev_scheduling.request': [
        *('sources', 'contents', 'spelling', 'features', 'groups'),
        *('request', 'parsing', 'server'),
    ],
    'sev_scheduling.rules': [
        *('rule', 'changes', 'encryption', 'image', 'resources'),
        *('validation', 'actions'),
    ],
    'sev_scheduling.audit': [
        *('results', 'classes', 'side', 'proposals', 'audit'),
        *('trial', 'plan', 'pair'),
    ],
    'sev_scheduling.hosts': [
        *('check', 'host', 'aggregates', 'verdict', 'hostfilter'),
        *('capacity', 'drain'),
    ],
    'sev_scheduling.hosts.drain': ['facts', 'planner'],
    'sev_scheduling.diagnosis': [
        *('facts', 'feasibility', 'askers', 'other_models', 'remedies'),
    ],
    'sev_scheduling.explain': [
        *('catalogue', 'values', 'fixes', 'request_page'),
        *('reason', 'feasibility', 'host_rows', 'explanation', 'entry'),
        *('capacity', 'server', 'checks', 'drain'),
    ],
    'sev_scheduling.explain.reason': ['reason', 'hosts', 'grouping'],
    'sev_scheduling.explain.values': [
        *('naming', 'cases', 'problems', 'constraints', 'causes'),
    ],
    'sev_scheduling.explain.catalogue': [
        *('rows', 'fixes', 'request', 'hosts', 'placement', 'server'),
        *('compute', 'nova_conf', 'scheduler'),
    ],
    'sev_scheduling.placement': [
        *('answers', 'wire', 'api', 'hosts', 'diagnosis'),
        *('feasibility', 'claims', 'guests', 'client', 'embedded'),
    ],
    'sev_scheduling.placement.embedded': [
        *('cloud', 'keys', 'cloud_file', 'service', 'load', 'export'),
    ],
    'sev_scheduling.placement.wire': ['transport', 'faults', 'wire'],
    'sev_scheduling.placement.guests': ['servers', 'plan'],
    'sev_scheduling.placement.claims': [
        *('offers', 'selection', 'capacity', 'consumers', 'writes'),
        *('verification', 'transaction', 'claims'),
    ],
    'sev_scheduling.placement.diagnosis': [
        *(
            'relaxation',
            'names',
            'probe',
            'matching',
            'trees',
            'slots',
        ),
        *('unmet_constraints', 'relaxed_answers', 'shortfalls', 'inquiry'),
    ],
    'sev_scheduling.placement.diagnosis.trees': [
        *('surroundings', 'provider_trees', 'observed'),
    ],
    'sev_scheduling.testing': ['builders', 'fake', 'clouds', 'plugin'],
    'sev_scheduling.compute': [
        *('sources', 'detection', 'reservation', 'provider_config'),
        *('checks', 'survey'),
    ],
    'sev_scheduling.nova': [
        *('options', 'warning_log', 'lookups', 'host_state', 'request_spec'),
        *('queries', 'screening', 'evaluation', 'servers', 'rebuild'),
        *('request_filter', 'weigher', 'filter'),
    ],
    'sev_scheduling.scheduler': [
        *('settings', 'report', 'conf', 'cloud', 'checks'),
    ],
    'sev_scheduling.cli.openstack': ['services', 'cloud', 'changes'],
    'sev_scheduling.cli': [
        *('terminal', 'output', 'checks', 'metrics', 'page', 'openstack'),
        *('options', 'fixing', 'commands', 'plugin', 'app', 'main'),
    ],
}

#: What does not import each other, though the order would allow it.
APART = (
    {'prefilter', 'hosts'},
    {'nova', 'compute'},
    {'nova', 'testing'},
    {'scheduler', 'compute'},
    {'scheduler', 'nova'},
    {'scheduler', 'testing'},
    {'compute', 'testing'},
    {'testing', 'cli'},
)


@dataclass(frozen=True)
class House:
    """A package.

    :ivar name: its dotted name
    :ivar trees: dotted name of each of its modules -> its syntax tree
    :ivar packages: those of its modules that are packages
    """

    name: str
    trees: Mapping[str, ast.Module]
    packages: frozenset[str]

    @classmethod
    def read(cls, directory: Path) -> House:
        """Read the package that a directory holds, without its examples."""
        trees, packages = {}, set()
        for path in sorted(directory.rglob('*.py')):
            inner = path.relative_to(directory)
            if inner.parts[0] == 'examples':
                continue
            parts = (directory.name, *inner.with_suffix('').parts)
            if path.stem == '__init__':
                parts = parts[:-1]
                packages.add('.'.join(parts))
            trees['.'.join(parts)] = parse(path.read_text(), str(path))
        return cls(directory.name, trees, frozenset(packages))

    def imported_names(self, module: str) -> Iterator[tuple[str, str]]:
        """Yield the module and the name of each import, '' for all of it.

        :raises ValueError: at a relative import or ``import *``
        """
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield alias.name, ''
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if node.level or alias.name == '*' or not node.module:
                        raise ValueError(f'{module}, line {node.lineno}')
                    yield node.module, alias.name

    @functools.cached_property
    def graph(self) -> Graph:
        """Module -> modules of the house that it imports."""
        return {
            module: frozenset(
                self._definer(source, name)
                for source, name in self.imported_names(module)
                if source.split('.')[0] == self.name
            )
            for module in self.trees
        }

    def _definer(self, source: str, name: str) -> str:
        """Return the module that an import takes a name from."""
        inner = f'{source}.{name}'
        if inner in self.trees:
            return inner
        if source in self.packages:
            for further, same in self.imported_names(source):
                if same == name:
                    return self._definer(further, name)
        return source

    def others(self, module: str) -> set[str]:
        """Return the top-level names that a module imports of others."""
        tops = {name.split('.')[0] for name, _ in self.imported_names(module)}
        return tops - {self.name}

    def rooms(self, package: str) -> Graph:
        """Return the graph of what lies directly in a package.

        A sub-package is one room. The package's ``__init__`` is none.
        """
        graph: dict[str, set[str]] = {
            self._room(package, module): set()
            for module in self.trees
            if module.startswith(f'{package}.')
        }
        for module, imported in self.graph.items():
            if not module.startswith(f'{package}.'):
                continue
            room = self._room(package, module)
            graph[room] |= {
                self._room(package, other)
                for other in imported
                if other.startswith(f'{package}.')
            } - {room}
        return {room: frozenset(graph[room]) for room in graph}

    @staticmethod
    def _room(package: str, module: str) -> str:
        return module.removeprefix(f'{package}.').split('.')[0]


@functools.cache
def our_house() -> House:
    """Return the house of ``sev_scheduling``, read once in a process."""
    return House.read(Path(__file__).parents[1] / 'sev_scheduling')


def parse(text: str, origin: str = '<text>') -> ast.Module:
    return ast.parse(text, origin)


def defined(tree: ast.Module) -> set[str]:
    """Return the names of the classes and functions of a module."""
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return {node.name for node in tree.body if isinstance(node, kinds)}


def names(tree: ast.Module) -> set[str]:
    """Return every name, attribute and imported name of a module."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.add(node.name)
    return found


def circle(graph: Graph) -> list[str]:
    """Return a circle of imports, nothing where there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def wrong_arrows(
    house: House, package: str, order: list[str]
) -> set[tuple[str, str]]:
    """Return who imports what that the order of a package forbids.

    :raises ValueError: where a room has no place in the order
    """
    return {
        (room, other)
        for room, imported in house.rooms(package).items()
        for other in imported
        if order.index(room) < order.index(other) or {room, other} in APART
    }


def longest_chain(graph: Graph) -> list[str]:
    """Return the longest chain of imports, from the one at its top."""
    chains: dict[str, list[str]] = {}
    for room in graphlib.TopologicalSorter(graph).static_order():
        below = (chains[other] for other in sorted(graph.get(room, ())))
        chains[room] = [room, *max(below, key=len, default=[])]
    return max(chains.values(), key=len, default=[])
