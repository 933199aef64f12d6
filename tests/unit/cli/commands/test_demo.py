"""What the demo reads is part of an installed package."""

import pathlib
import tomllib

import pytest

from sev_scheduling.cli.commands.demo import CASES

ROOT = pathlib.Path(__file__).parents[4]
PACKAGE = ROOT / 'sev_scheduling'


@pytest.fixture(scope='module')
def shipped():
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())
    patterns = project['tool']['setuptools']['package-data']['sev_scheduling']
    return {
        str(path.relative_to(PACKAGE))
        for pattern in patterns
        for path in PACKAGE.glob(pattern)
    }


@pytest.mark.parametrize(
    'name',
    sorted(
        {
            'examples/cloud.yaml',
            *(f'examples/flavors/{case.flavor}.json' for case in CASES),
            *(f'examples/images/{case.image}.json' for case in CASES),
        }
    ),
)
def test_a_file_of_the_story_is_shipped(shipped, name):
    assert name in shipped


def test_every_example_is_told():
    for kind in ('flavor', 'image'):
        names = {getattr(case, kind) for case in CASES}
        assert names == {
            path.stem for path in (ROOT / f'examples/{kind}s').iterdir()
        }


def test_the_cases_are_listed_by_their_numbers(run):
    ran = run('demo', '--list')

    assert (ran.status, ran.err) == (0, '')
    lines = [line.split(maxsplit=1) for line in ran.out.splitlines()]
    assert lines == [[str(n), case.title] for n, case in enumerate(CASES, 1)]


@pytest.mark.parametrize(
    ('args', 'named'),
    [
        pytest.param(['0'], "'0'", id='just too low'),
        pytest.param([str(len(CASES) + 1)], f'from 1 to {len(CASES)}',
                     id='just too high'),
        pytest.param(['1', '--all'], '--all', id='a case and all'),
        pytest.param(['1', '--list'], '--list', id='a case and the list'),
        pytest.param(['--all', '--list'], '--list', id='all and the list'),
        pytest.param(['first'], "'first'", id='no number'),
    ],
)  # fmt: skip
def test_cases_that_there_are_not_are_reported_in_one_line(run, args, named):
    ran = run('demo', *args)

    assert (ran.status, ran.out) == (2, '')
    assert named in ran.err
    assert ran.err.count('\n') == 1
