"""The house: which module may import which, and what each part may use."""

import sys

import pytest

from tests import house
from tests.house import House, our_house

HOUSE = our_house()
MODULES = sorted(HOUSE.trees)

#: The longest chain of parts that import each other; benchmarks/ is one more.
MOST_FLOORS = 10

#: Modules directly in one package, without its sub-packages.
MOST_MODULES = 10

#: Has more: one module a command.
CROWDS = {'sev_scheduling.cli.commands'}

#: What the core may import beside the standard library, ``opts`` alone more.
OF_OTHERS = {'os_traits', 'os_resource_classes', 'oslo_utils', 'stevedore'}

DOORS = {'http', 'socket', 'subprocess', 'pathlib', 'os', 'io', 'urllib'}


def part_of(module):
    """Return the name of the part that a module is in, '' for the face."""
    return module.split('.')[1] if '.' in module else ''


PARTS = house.ORDER['sev_scheduling']
CORE = [m for m in MODULES if part_of(m) in PARTS[: PARTS.index('documents')]]


@pytest.mark.parametrize('package', house.ORDER)
def test_every_room_has_its_place(package):
    assert HOUSE.rooms(package).keys() == {*house.ORDER[package]}


@pytest.mark.parametrize('package', house.ORDER)
def test_arrows_go_one_way(package):
    order = house.ORDER[package]

    assert house.wrong_arrows(HOUSE, package, order) == set()


@pytest.mark.parametrize('package', sorted(HOUSE.packages))
def test_nothing_is_imported_in_a_circle(package):
    assert house.circle(HOUSE.rooms(package)) == []


def test_no_module_is_in_a_circle():
    assert house.circle(HOUSE.graph) == []


def test_the_house_has_few_floors():
    chain = house.longest_chain(HOUSE.rooms('sev_scheduling'))

    assert len(chain) <= MOST_FLOORS, chain


@pytest.mark.parametrize('package', sorted(HOUSE.packages))
def test_a_part_has_few_modules(package):
    modules = {
        module
        for module in MODULES
        if module.rpartition('.')[0] == package
        and module not in HOUSE.packages
    }

    assert len(modules) <= MOST_MODULES or package in CROWDS


@pytest.mark.parametrize('package', sorted(HOUSE.packages))
def test_a_face_defines_nothing(package):
    """An ``__init__`` names what is public, and loads it when asked for."""
    assert house.defined(HOUSE.trees[package]) <= {
        *('__getattr__', '__dir__'),
    }


def test_only_the_plugin_imports_nova():
    users = {part_of(m) for m in MODULES if 'nova' in HOUSE.others(m)}

    assert users == {'nova'}


@pytest.mark.parametrize('module', CORE)
def test_the_core_imports_little_of_others(module):
    allowed = {*OF_OTHERS, *sys.stdlib_module_names} - DOORS | {'urllib'}
    if module == 'sev_scheduling.opts':
        allowed.add('oslo_config')

    assert HOUSE.others(module) <= allowed


@pytest.mark.parametrize('module', CORE)
def test_the_core_does_no_io_and_reads_no_global_options(module):
    used = house.names(HOUSE.trees[module])

    assert used.isdisjoint({'open', 'print', 'input', 'CONF'})


# The tests above, tested with houses that are wrong.


@pytest.fixture
def build(tmp_path):
    """Write a package ``made`` of dotted names and their texts."""

    def build_house(texts):
        root = tmp_path / 'made'
        for name, text in texts.items():
            folder = root.joinpath(*name.split('.')[:-1])
            folder.mkdir(parents=True, exist_ok=True)
            for above in (folder, *folder.parents):
                if above.is_relative_to(root):
                    (above / '__init__.py').touch()
            root.joinpath(*name.split('.')).with_suffix('.py').write_text(text)
        return House.read(root)

    return build_house


@pytest.mark.parametrize(
    'back',
    [
        'import made.upper',
        'from made import upper',
        'from made.upper import thing',
        'def f():\n    from made.upper import thing',
        'from typing import TYPE_CHECKING\n'
        'if TYPE_CHECKING:\n    import made.upper',
    ],
)
def test_a_circle_is_found_however_it_is_written(build, back):
    made = build({'upper': 'from made.lower import a', 'lower': back})

    assert set(house.circle(made.graph)) == {'made.upper', 'made.lower'}
    assert house.circle(build({'lower': 'a = 1'}).graph) == []


def test_a_circle_of_parts_is_found_where_no_module_is_in_one(build):
    made = build(
        {
            'one.a': 'from made.two.a import x',
            'one.b': 'x = 1',
            'two.a': 'x = 1',
            'two.b': 'from made.one import b',
        }
    )

    assert house.circle(made.graph) == []
    assert set(house.circle(made.rooms('made'))) == {'one', 'two'}


def test_an_arrow_against_the_order_is_found(build):
    made = build(
        {'low': 'from made import high', 'high': '', 'mid': 'import made.low'}
    )

    assert house.wrong_arrows(made, 'made', ['low', 'mid', 'high']) == {
        ('low', 'high')
    }
    with pytest.raises(ValueError, match='mid'):
        house.wrong_arrows(made, 'made', ['low', 'high'])


def test_parts_that_stand_apart_do_not_import_each_other(build):
    made = build({'nova': '', 'compute': 'from made.nova import thing'})

    assert house.wrong_arrows(made, 'made', ['nova', 'compute']) == {
        ('compute', 'nova')
    }


def test_a_name_of_a_face_is_one_of_the_module_that_defines_it(build):
    made = build(
        {
            'user': 'from made.part import thing, other',
            'part.inner.real': 'thing = 1',
            'part.inner.__init__': 'from made.part.inner.real import thing',
            'part.__init__': (
                'if TYPE_CHECKING:\n    from made.part.inner import thing'
            ),
        }
    )

    assert made.graph['made.user'] == {'made.part.inner.real', 'made.part'}


@pytest.mark.parametrize(
    'text', ['from . import a', 'from .a import b', 'from made.a import *']
)
def test_an_import_that_cannot_be_followed_is_refused(build, text):
    with pytest.raises(ValueError, match=r'made\.b, line 1'):
        _ = build({'a': '', 'b': text}).graph


def test_the_longest_chain_is_found(build):
    made = build(
        {
            'a': 'from made import b, d',
            'b': 'from made import c, d',
            'c': 'import made.d',
            'd': '',
        }
    )

    assert house.longest_chain(made.rooms('made')) == ['a', 'b', 'c', 'd']
    assert house.longest_chain({}) == []


def test_what_a_module_defines_and_uses_is_found():
    tree = house.parse(
        'from a import CONF\n'
        'class A: pass\n'
        'def f(): open(b.c)\n'
        'async def g(): pass\n'
    )

    assert house.defined(tree) == {'A', 'f', 'g'}
    assert {'CONF', 'open', 'b', 'c'} <= house.names(tree)
