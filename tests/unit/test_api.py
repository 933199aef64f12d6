import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import sev_scheduling
from sev_scheduling import exceptions
from sev_scheduling.explain import catalogue
from sev_scheduling.request import groups, sources

ROOT = Path(sev_scheduling.__file__).parent
API_PAGE = ROOT.parent / 'doc/source/reference/api.rst'

#: The parts with public names of their own.
PARTS = ('placement', 'compute', 'testing')

#: DESIGN's functions, and what callers compare, catch and build.
CONTRACT = {
    *('parse', 'validate', 'translate', 'judge', 'filter_hosts', 'explain'),
    *('check_action', 'registered_models'),
    *('EncryptionRequest', 'EncryptionModel', 'Problem', 'Code', 'Severity'),
    *('PlacementRequest', 'RequestGroup', 'Host', 'SlotPool', 'Verdict'),
    *('VerdictCode', 'FilterResult', 'Explanation', 'Diagnosis', 'Cause'),
    *('Constraint', 'Shortfall', 'Feasibility', 'Reason'),
    *('Field', 'Fix', 'merge', 'Rule', 'Validation', 'Scope'),
}


def test_the_public_names_are_the_contract_and_the_exceptions():
    errors = {
        name
        for name, value in vars(exceptions).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }

    assert set(sev_scheduling.__all__) == CONTRACT | errors
    assert [*sev_scheduling.__all__] == sorted(sev_scheduling.__all__)


def test_every_public_name_exists_and_has_a_docstring():
    for name in sev_scheduling.__all__:
        assert inspect.getdoc(getattr(sev_scheduling, name)), name


@pytest.mark.parametrize(
    'name',
    ['sev_scheduling', *(f'sev_scheduling.{part}' for part in PARTS)],
)
def test_the_api_page_has_every_public_name_and_no_other(name):
    package = importlib.import_module(name)
    documented = re.findall(
        rf'^\.\. auto\w+:: {re.escape(package.__name__)}\.(\w+)$',
        API_PAGE.read_text(),
        re.MULTILINE,
    )

    assert sorted(documented) == sorted(package.__all__)


def test_no_public_name_hides_a_module():
    modules = {module.name for module in pkgutil.iter_modules([str(ROOT)])}

    # explain() is the face of its package, whose modules are imported whole.
    assert modules.intersection(sev_scheduling.__all__) == {'explain'}


DATACLASSES = [
    value
    for value in (
        *(getattr(sev_scheduling, name) for name in sev_scheduling.__all__),
        *(
            value
            for module in (groups, catalogue.rows, sources)
            for value in vars(module).values()
        ),
    )
    if inspect.isclass(value) and dataclasses.is_dataclass(value)
]


@pytest.mark.parametrize(
    'class_', dict.fromkeys(DATACLASSES), ids=lambda class_: class_.__name__
)
def test_dataclasses_are_frozen_and_have_slots(class_):
    assert class_.__dataclass_params__.frozen
    assert '__slots__' in vars(class_)
    assert class_.__doc__
    assert not class_.__doc__.startswith(f'{class_.__name__}(')


def test_types_are_marked_as_checked():
    assert (ROOT / 'py.typed').exists()


def test_importing_the_package_is_cheap():
    loaded = subprocess.run(
        [
            sys.executable,
            '-c',
            'import sys, sev_scheduling; print(*sys.modules, sep="\\n")',
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    heavy = {
        *('nova', 'placement', 'openstack', 'sqlalchemy'),
        *('requests', 'urllib3', 'keystoneauth1', 'http.client', 'ssl'),
        *('yaml', 'cliff', 'stevedore', 'oslo_config', 'eventlet'),
        *('prometheus_client', 'tenacity', 'asyncio', 'sqlite3'),
        *('sev_scheduling.placement', 'sev_scheduling.opts'),
    }

    assert heavy.intersection(loaded) == set()
    # A public name brings its module when it is asked for.
    assert {one for one in loaded if one.startswith('sev_scheduling')} == {
        *('sev_scheduling', 'sev_scheduling.explain'),
        *('sev_scheduling.explain.entry', 'sev_scheduling.problems'),
    }


def test_checkers_of_types_see_each_public_name_where_it_is_imported_from():
    (block,) = [
        node
        for node in ast.parse(inspect.getsource(sev_scheduling)).body
        if isinstance(node, ast.If)
        and ast.unparse(node.test) == 'TYPE_CHECKING'
    ]
    typed = {
        (node.module, alias.name)
        for node in block.body
        for alias in node.names
    }

    assert typed == {
        (f'sev_scheduling.{module}', name)
        for name, module in sev_scheduling._HOME.items()
    }


def test_a_name_that_is_not_public_is_reported_as_missing():
    with pytest.raises(AttributeError, match="has no 'no_such'"):
        getattr(sev_scheduling, 'no_such')  # noqa: B009


def test_the_public_names_are_listed_before_they_are_imported():
    code = 'import sev_scheduling; print(*dir(sev_scheduling))'
    listed = subprocess.run(
        [sys.executable, '-c', code],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    assert {*sev_scheduling.__all__} <= {*listed}


def test_a_request_can_be_judged_without_http_or_yaml():
    code = """
import sys
from sev_scheduling import *
request = parse(
    {'vcpus': 1, 'ram': 1, 'extra_specs': {'hw:mem_encryption': 'true'}},
    {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'},
)
translate(request)
assert explain(filter_hosts(request, [Host(name='a')])).tenant()
print(*sys.modules, sep='\\n')
"""
    loaded = subprocess.run(
        [sys.executable, '-c', code],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()

    # stevedore looks for models of other packages here.
    assert 'stevedore' in loaded
    assert {'nova', 'requests', 'keystoneauth1', 'yaml', 'cliff'}.isdisjoint(
        loaded
    )
