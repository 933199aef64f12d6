"""Each command in real virtual environments that lack an extra.

An environment has what ``pip install '.[extra]'`` would bring, linked from
the one that runs the tests, and nothing else.
"""

import importlib.metadata
import json
import os
import pathlib
import subprocess
import tomllib
import venv

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
EXTRAS = PROJECT['optional-dependencies']
COMMANDS = PROJECT['entry-points']['sev_scheduling.cli']

CORE = (ROOT / 'requirements.txt').read_text().splitlines()

CLOUD = ('--cloud', str(ROOT / 'examples/cloud.yaml'))
URL = ('--placement-url', 'http://127.0.0.1:9')
FLAVOR = ('--flavor', str(ROOT / 'examples/flavors/m1.sev.json'))
FLAVORS = str(ROOT / 'examples/flavors')
IMAGES = str(ROOT / 'examples/images')
IMAGE = ROOT / 'examples/images/ubuntu-24.04-sev.json'
FILES = (*FLAVOR, '--image', str(IMAGE))
HOST = ('--root', str(ROOT / 'examples/compute-host'))
GUEST = '01982f5e-7b2a-7c44-9f0e-3c1f6f0d9a11'

#: A command, and the extra that it needs beside cli; '' where none.
NEEDS = [
    (('--help',), ''),
    (('check', *FILES), ''),
    (('translate', *FLAVOR), ''),
    (('audit', '--flavors', FLAVORS, '--images', IMAGES), ''),
    (('audit',), 'osc'),
    (('demo', '--list'), ''),
    (('demo', '5'), 'embedded'),
    *(
        ((*command, *source), extra)
        for command in (
            ('capacity',),
            ('explain', *FILES),
            ('schedule', *FILES),
            ('reconcile', '--owner', 'me'),
            ('release', GUEST),
        )
        for source, extra in ((CLOUD, 'embedded'), (URL, 'placement'))
    ),
    (('capacity',), 'osc'),
    (('host', 'list', *CLOUD), 'embedded'),
    (('host', 'show', 'plain-1', *CLOUD), 'embedded'),
    (('host', 'drain', 'plan', 'plain-1', *CLOUD), 'embedded'),
    (('check', '--flavor', 'm1.sev'), 'osc'),
    (('explain', *FILES), 'osc'),
    (('schedule', *FILES), 'osc'),
    (('reconcile', '--owner', 'me', '--os-cloud', 'x'), 'osc'),
    (('release', GUEST), 'osc'),
    (('capacity', *CLOUD, '--prometheus', '-'), 'embedded metrics'),
    (('exporter', *CLOUD, '--address', '256.0.0.1'), 'embedded metrics'),
    (('export', *CLOUD), 'embedded'),
    (('scheduler', 'check', '--config-file', '/dev/null'), 'node'),
    (('node', 'check', *HOST), 'node'),
    (('node', 'detect', *HOST), 'node'),
    (('node', 'provider-config', *HOST), 'node'),
    (('node', 'reserve', *HOST, '--guests', '1'), 'node'),
    (('server', 'check'), 'nova,placement'),
    (('server', 'repair'), 'nova,placement'),
]

#: The status of bad usage, where it is not 2: as nova-status has it.
USAGE = {'audit': 255}

#: What is installed together.
ENVIRONMENTS = [
    '',
    'cli',
    'cli,metrics,placement',
    'node',
    'osc',
    'embedded',
    'embedded,metrics,osc',
]

_RUN = """
import contextlib, io, json, sys
from sev_scheduling.cli.main import main

ran = []
for argv in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(argv)
    ran.append([status, out.getvalue(), err.getvalue()])
print(json.dumps(ran))
"""


def of_extra(extra):
    """Return an extra and those of ours that it includes."""
    found = {extra}
    for line in EXTRAS[extra]:
        requirement = Requirement(line)
        if requirement.name == PROJECT['name']:
            for inner in requirement.extras:
                found |= of_extra(inner)
    return found


def brought(extras):
    """Return the names of the distributions that come with some extras."""
    asked = [Requirement(line) for line in CORE if line]
    for extra in set().union(*map(of_extra, extras)):
        asked += [
            requirement
            for requirement in map(Requirement, EXTRAS[extra])
            if requirement.name != PROJECT['name']
        ]
    found = {}
    while asked:
        requirement = asked.pop()
        name = canonicalize_name(requirement.name)
        known = found.setdefault(name, set())
        if known >= {'', *requirement.extras}:
            continue
        news = {'', *requirement.extras} - known
        known |= news
        for line in importlib.metadata.requires(name) or ():
            inner = Requirement(line)
            if any(
                inner.marker is None or inner.marker.evaluate({'extra': extra})
                for extra in news
            ):
                asked.append(inner)
    return found.keys()


def link(distribution, site):
    """Link the files of an installed distribution into another folder."""
    tops = {file.parts[0] for file in distribution.files}
    for top in tops - {'..', '__pycache__'}:
        if not top.endswith('.pth') and not (site / top).exists():
            (site / top).symlink_to(distribution.locate_file(top))


def register(site):
    """Let an environment have this distribution, from the source tree."""
    (site / 'source.pth').write_text(f'{ROOT}\n')
    info = site / f'sev_scheduling-{PROJECT["version"]}.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(
        f'Metadata-Version: 2.1\nName: {PROJECT["name"]}\n'
        f'Version: {PROJECT["version"]}\n'
    )
    (info / 'entry_points.txt').write_text(
        '\n'.join(
            f'[{group}]\n' + '\n'.join(f'{k} = {v}' for k, v in points.items())
            for group, points in PROJECT['entry-points'].items()
        )
    )


@pytest.fixture(scope='module', params=ENVIRONMENTS)
def ran(request, tmp_path_factory):
    """The extras of an environment; command -> status, output, errors."""
    extras = [extra for extra in request.param.split(',') if extra]
    folder = tmp_path_factory.mktemp('environment')
    venv.create(folder, symlinks=True)
    (site,) = folder.glob('lib/python*/site-packages')
    for name in brought(extras):
        link(importlib.metadata.distribution(name), site)
    register(site)
    commands = [command for command, _ in NEEDS]
    done = subprocess.run(
        [folder / 'bin/python', '-c', _RUN, json.dumps(commands)],
        cwd=folder,
        env={
            'HOME': str(folder),
            'PATH': os.environ['PATH'],
            'PYTHONDONTWRITEBYTECODE': '1',
            'PYTHONWARNINGS': 'ignore',
        },
        capture_output=True,
        text=True,
        check=True,
    )
    has = {inner for extra in extras for inner in of_extra(extra)}
    return has, dict(zip(commands, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize(
    ('command', 'needs'),
    NEEDS,
    ids=[' '.join(pathlib.Path(w).name for w in c) for c, _ in NEEDS],
)
def test_a_command_names_the_extra_that_is_missing(ran, command, needs):
    has, results = ran
    status, out, err = results[command]
    missing = [e for e in ('cli', *needs.split()) if e not in has]
    if missing:
        usage = USAGE.get(command[0], 2) if 'cli' in has else 2
        assert (status, out) == (usage, '')
        assert f"pip install '.[{missing[0]}]'" in err
        assert f"'sev-scheduling[{missing[0]}]'" in err
        assert err.count('\n') == 1
        if command[0] in ('audit', 'check'):
            assert '--cloud' not in err
    else:
        assert status in (0, 1, 2, USAGE.get(command[0]))
        assert 'pip install' not in err


def test_every_command_is_tried():
    tried = {word for command, _ in NEEDS for word in command}

    for name in COMMANDS:
        assert tried >= set(name.split('_'))
