"""Write the lowest version of each requirement, as pip's constraints.

``python -m tests.lowest FILE`` reads ``requirements.txt`` and every extra of
``pyproject.toml``; ``name>=1.2`` becomes ``name==1.2``. The tox environment
``lowest`` installs these, so that each lower bound is one that works.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]

#: Extras that only build the project's own documentation.
OTHERS = frozenset({'docs'})


def requirements() -> Iterator[Requirement]:
    """Yield what the package and its extras require, its own name left out."""
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
    lines = (ROOT / 'requirements.txt').read_text().splitlines()
    for extra, wanted in project['optional-dependencies'].items():
        if extra not in OTHERS:
            lines += wanted
    for line in lines:
        requirement = Requirement(line)
        if requirement.name != project['name']:
            yield requirement


def lowest(requirement: Requirement) -> str:
    """Return the requirement as a pin of its lower bound.

    :raises ValueError: it has no lower bound, or more than one
    """
    bounds = [s.version for s in requirement.specifier if s.operator == '>=']
    if len(bounds) != 1:
        raise ValueError(f'{requirement} must have one lower bound (>=)')
    return f'{requirement.name}=={bounds[0]}'


if __name__ == '__main__':
    pins = sorted({lowest(each) for each in requirements()})
    Path(sys.argv[1]).write_text('\n'.join(pins))
