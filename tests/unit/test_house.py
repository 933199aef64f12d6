"""The direction of imports, as the architecture page draws it."""

import ast
import sys
from pathlib import Path

import pytest

import sev_scheduling

ROOT = Path(sev_scheduling.__file__).parent
NAME = ROOT.name
MODULES = sorted(
    path
    for path in ROOT.rglob('*.py')
    if 'examples' not in path.relative_to(ROOT).parts
)

#: Part -> parts that it may import; the core is the modules at the top.
ARROWS = {
    'core': set(),
    'placement': {'core'},
    'nova': {'placement', 'core'},
    'compute': {'placement', 'core'},
    'testing': {'placement', 'core'},
    'cli': {'compute', 'placement', 'core'},
}

#: Folders of the core.
CORE_FOLDERS = {'request', 'rules', 'hosts', 'explain'}

#: What the core may import of others, by the name that is imported.
OF_OTHERS = {'os_traits', 'os_resource_classes', 'oslo_utils', 'stevedore'}


def part_of(module):
    """Return the part of the house that a dotted name is in."""
    names = module.split('.')
    return names[1] if len(names) > 1 and names[1] in ARROWS else 'core'


def dotted(path):
    names = path.relative_to(ROOT.parent).with_suffix('').parts
    return '.'.join(names).removesuffix('.__init__')


def imports(path):
    """Yield every module that a file imports, wherever in the file."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f'{path} has a relative import'
            yield node.module
            for alias in node.names:
                # ``from sev_scheduling import placement`` is an arrow too.
                inner = ROOT.parent.joinpath(
                    *node.module.split('.'), alias.name
                )
                if inner.is_dir() or inner.with_suffix('.py').exists():
                    yield f'{node.module}.{alias.name}'


def test_the_parts_of_the_house_are_known():
    folders = {
        path.name for path in ROOT.iterdir() if (path / '__init__.py').exists()
    }

    assert folders == {*set(ARROWS) - {'core'}, *CORE_FOLDERS}


@pytest.mark.parametrize('path', MODULES, ids=dotted)
def test_arrows_go_one_way(path):
    part = part_of(dotted(path))
    inside = {m for m in imports(path) if m.split('.')[0] == NAME}
    wrong = {
        module
        for module in inside
        if part_of(module) not in {part, *ARROWS[part]}
    }

    assert wrong == set()


@pytest.mark.parametrize('path', MODULES, ids=dotted)
def test_only_the_plugin_imports_nova(path):
    if part_of(dotted(path)) != 'nova':
        assert 'nova' not in {m.split('.')[0] for m in imports(path)}


CORE = [path for path in MODULES if part_of(dotted(path)) == 'core']


@pytest.mark.parametrize('path', CORE, ids=dotted)
def test_the_core_imports_little_of_others(path):
    allowed = {NAME, *OF_OTHERS, *sys.stdlib_module_names}
    if path.name == 'opts.py':
        allowed.add('oslo_config')

    assert {m.split('.')[0] for m in imports(path)} <= allowed


@pytest.mark.parametrize('path', CORE, ids=dotted)
def test_the_core_does_no_io(path):
    doors = {'http', 'socket', 'subprocess', 'pathlib', 'os', 'io', 'urllib'}
    used = {m for m in imports(path) if m.split('.')[0] in doors}
    tree = ast.parse(path.read_text())
    calls = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }

    assert used <= {'urllib.parse'}
    assert calls.isdisjoint({'open', 'print', 'input'})


def test_an_arrow_against_the_direction_is_found(tmp_path):
    module = tmp_path / 'bad.py'
    module.write_text(
        'from sev_scheduling import placement\n'
        'def f():\n'
        '    import nova.conf\n'
        '    from sev_scheduling.cli.app import App\n'
    )

    assert {*imports(module)} == {
        'sev_scheduling',
        'sev_scheduling.placement',
        'nova.conf',
        'sev_scheduling.cli.app',
    }
    assert [part_of(m) for m in ('sev_scheduling.cli.app', NAME)] == [
        'cli',
        'core',
    ]
