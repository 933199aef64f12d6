"""Conventions that a reader of the source would check by eye."""

import ast
import re
from pathlib import Path

import pytest

from tests.house import defined, our_house, parse

HOUSE = our_house()
UNIT = Path(__file__).parent

#: Attributes that hold words which the library itself has made.
OWN_WORDS = {
    'fix',
    'message',
    'tenant_fix',
    'tenant_text',
    'text',
    'where',
}

#: Plain names that hold such words wherever they stand.
OWN_NAMES = {'fix', 'message', 'tenant_fix', 'tenant_text', 'where'}

#: Methods that take a text apart or look into it.
READS = {
    *('split', 'rsplit', 'splitlines', 'partition', 'rpartition'),
    *('replace', 'startswith', 'endswith', 'find', 'index', 'count'),
    *('removeprefix', 'removesuffix', 'translate'),
}

#: Functions that do, by the module that has them.
READERS = {'re', 'shlex'}


class OwnWords(ast.NodeVisitor):
    """Finds where a module reads words that the library has made.

    A name that such words were given to counts as well, in the function that
    does so.

    :ivar found: lines
    """

    def __init__(self) -> None:
        self.found: list[int] = []
        self._names: set[str] = set()

    def visit_FunctionDef(self, node):
        before, self._names = self._names, {*self._names}
        for inner in ast.walk(node):
            if isinstance(inner, ast.Assign) and self._own(inner.value):
                self._names |= {
                    target.id
                    for target in inner.targets
                    if isinstance(target, ast.Name)
                }
            elif isinstance(inner, ast.NamedExpr) and self._own(inner.value):
                self._names.add(inner.target.id)
        self.generic_visit(node)
        self._names = before

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Call(self, node):
        method = node.func
        if isinstance(method, ast.Attribute):
            module = getattr(method.value, 'id', '')
            if (method.attr in READS and self._own(method.value)) or (
                module in READERS
                and method.attr not in ('quote', 'join', 'escape')
                and any(self._own(argument) for argument in node.args)
            ):
                self.found.append(node.lineno)
        self.generic_visit(node)

    def visit_Compare(self, node):
        pairs = zip(node.ops, node.comparators, strict=True)
        if any(
            isinstance(operator, ast.In | ast.NotIn) and self._own(right)
            for operator, right in pairs
        ):
            self.found.append(node.lineno)
        self.generic_visit(node)

    def _own(self, node) -> bool:
        """Report whether an expression is such words."""
        match node:
            case ast.Attribute():
                return node.attr in OWN_WORDS
            case ast.Name():
                return node.id in OWN_NAMES | self._names
            case ast.Subscript() | ast.Starred():
                return self._own(node.value)
            case ast.BoolOp():
                return any(self._own(value) for value in node.values)
            case ast.BinOp():
                return self._own(node.left) or self._own(node.right)
            case ast.IfExp():
                return self._own(node.body) or self._own(node.orelse)
            case ast.JoinedStr():
                return any(
                    self._own(part.value)
                    for part in node.values
                    if isinstance(part, ast.FormattedValue)
                )
            case ast.Call(func=ast.Name(id='str')):
                return any(self._own(argument) for argument in node.args)
            case ast.Call(func=ast.Attribute()):
                return self._own(node.func.value)
        return False


def reads_own_words(tree: ast.Module) -> list[int]:
    visitor = OwnWords()
    visitor.visit(tree)
    return visitor.found


@pytest.mark.parametrize('module', sorted(HOUSE.trees))
def test_nothing_reads_words_that_the_library_has_made(module):
    """They are made of data; what needs a part of them takes the data."""
    lines = reads_own_words(HOUSE.trees[module])

    assert lines == [] or module.startswith('sev_scheduling.explain')


@pytest.mark.parametrize(
    'text',
    [
        'problem.message.split(".")',
        'reason.tenant_text.partition(", but ")',
        'fix.removeprefix("openstack ")',
        'str(problem.fix).startswith("openstack")',
        '(verdict.fix or "").replace("a", "b")',
        'f"{reason.text} {x}".rpartition(" ")',
        '" ".join(x.message.strip().split())',
        'shlex.split(problem.fix)',
        're.sub("a", "b", verdict.message)',
        '"IDE" in verdict.message',
        '"image" not in problem.where',
        'def f(p):\n    text = p.message\n    return text.split()',
        'def f(p):\n    if (t := p.fix):\n        t.endswith(".")',
        'async def f(p):\n    p.where.startswith("image:")',
        '(a.message + b)[1:].find("x")',
        '(a if b else c.message).index("x")',
    ],
)
def test_a_place_that_reads_own_words_is_found(text):
    assert reads_own_words(parse(text))


@pytest.mark.parametrize(
    'text',
    [
        'key.startswith("hw:")',
        'text.split(",")',
        'response.text()',
        'problem.message == other.message',
        'problem.field.source in ("image", "flavor")',
        'shlex.quote(fix)',
        '", ".join(p.message for p in problems)',
        'print(problem.message)',
        'def f(p):\n    text = p.message\ndef g(text):\n    text.split()',
    ],
)
def test_a_place_that_reads_other_text_or_makes_words_is_not(text):
    assert reads_own_words(parse(text)) == []


# tests/unit mirrors the package.

_INQUIRY = 'unit/placement/diagnosis/test_inquiry.py'

#: Module, or package for all modules in it -> the test that has its cases: of
#: what is its only user, or of the real thing that it works on.
TESTED_ELSEWHERE = {
    'audit.classes': 'unit/audit/test_audit.py',
    'audit.proposals': 'unit/audit/test_audit.py',
    'audit.results': 'unit/audit/test_audit.py',
    'audit.side': 'unit/audit/test_audit.py',
    'audit.trial': 'unit/audit/test_plan.py',
    'cli.app': 'unit/cli/test_main.py',
    'cli.checks': 'unit/cli/commands/test_node.py',
    'cli.commands.capacity': 'contract/cli_placement/test_capacity.py',
    'cli.commands.export': 'contract/cli_placement/test_export.py',
    'cli.commands.explain': 'contract/cli_placement/test_explain.py',
    'cli.commands.schedule': 'contract/cli_placement/test_schedule.py',
    'cli.commands.node_check': 'unit/cli/commands/test_node.py',
    'cli.commands.node_reserve': 'unit/cli/commands/test_node.py',
    'cli.openstack.services': 'unit/cli/openstack/test_cloud.py',
    'cli.options.node': 'unit/cli/commands/test_node.py',
    'explain.catalogue': 'unit/explain/test_catalogue.py',
    'explain.values.causes': 'unit/explain/test_explanation_causes.py',
    'explain.values.problems': 'unit/explain/test_explanation_problems.py',
    'explain.feasibility': 'unit/explain/test_explanation_hosts.py',
    'explain.reason': 'unit/explain/test_reason.py',
    'hosts.drain': 'unit/hosts/test_drain.py',
    'nova.screening': 'unit/nova/test_evaluation.py',
    'nova.lookups.slots': 'unit/nova/lookups/test_lookups.py',
    'cli.options.servers': 'contract/cli_placement/test_plugin.py',
    'cli.plugin': 'contract/cli_placement/test_plugin.py',
    'placement.diagnosis.relaxed_answers': _INQUIRY,
    'placement.diagnosis.shortfalls': _INQUIRY,
    'placement.guests.servers': 'unit/placement/guests/test_plan.py',
    'placement.wire.faults': 'unit/placement/wire/test_wire.py',
    'placement.embedded': 'contract/test_embedded_placement.py',
    'scheduler.cloud': 'unit/scheduler/test_checks.py',
    'scheduler.conf': 'unit/scheduler/test_checks.py',
    'scheduler.report': 'unit/scheduler/test_checks.py',
}


def has_test(module: str) -> bool:
    """Report whether a module has a test file of its own.

    Of ``part._thing`` that is ``part/test_thing.py`` or, for one side of it,
    ``part/test_thing_….py``.
    """
    *folders, name = module.split('.')[1:]
    folder = UNIT.joinpath(*folders)
    name = name.lstrip('_')
    return any(
        path.stem == f'test_{name}' or path.stem.startswith(f'test_{name}_')
        for path in folder.glob('test_*.py')
    )


def test_every_module_has_a_test():
    untested = {
        module.removeprefix('sev_scheduling.')
        for module in HOUSE.trees.keys() - HOUSE.packages
        if not has_test(module)
    }
    used = {
        name if name in TESTED_ELSEWHERE else name.rpartition('.')[0]
        for name in untested
    }

    assert used == TESTED_ELSEWHERE.keys()


@pytest.mark.parametrize('test', sorted({*TESTED_ELSEWHERE.values()}))
def test_the_tests_elsewhere_exist(test):
    assert (UNIT.parent / test).exists()


# Names that mislead (a newcomer guesses), and are gone.

#: Names that no module has.
MISLEADING_MODULES = {
    *('attempt', 'budget', 'causewords', 'destination', 'doubt', 'findings'),
    *('implied', 'judgement', 'lacks', 'outlook', 'oversold', 'owners'),
    *('questions', 'reasons', 'remembered', 'search', 'seen', 'shapes'),
    *('shared', 'world'),
}

#: Words that no name of a module, class or function has.
MISLEADING_WORDS = {
    *('budget', 'chooser', 'doubt', 'doubtful', 'hurry', 'judgement'),
    *('lacks', 'mend', 'nobody', 'outlook', 'oversold', 'remembered'),
    *('seen', 'tells', 'told'),
}


def words_of(name: str) -> set[str]:
    """Return the words of a name in either notation."""
    return {*re.sub('([a-z0-9])([A-Z])', r'\1_\2', name).lower().split('_')}


@pytest.mark.parametrize('module', sorted(HOUSE.trees))
def test_no_module_class_or_function_has_a_misleading_name(module):
    name = module.rpartition('.')[2]
    names = {name, *defined(HOUSE.trees[module])}

    assert {n for n in names if words_of(n) & MISLEADING_WORDS} == set()
    assert name not in MISLEADING_MODULES


def test_the_words_of_a_name_are_found_in_either_notation():
    assert words_of('_WideRequest') >= {'wide', 'request'}
    assert words_of('given_up') == {'given', 'up'}
