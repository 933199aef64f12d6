"""What the demo reads is part of an installed package."""

import pathlib
import tomllib

import pytest

from sev_scheduling.cli.commands.demo import GUESTS

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
            *(f'examples/flavors/{guest.flavor}.json' for guest in GUESTS),
            *(f'examples/images/{guest.image}.json' for guest in GUESTS),
        }
    ),
)
def test_a_file_of_the_story_is_shipped(shipped, name):
    assert name in shipped


def test_every_example_is_told():
    for kind in ('flavor', 'image'):
        names = {getattr(guest, kind) for guest in GUESTS}
        assert names == {
            path.stem for path in (ROOT / f'examples/{kind}s').iterdir()
        }
