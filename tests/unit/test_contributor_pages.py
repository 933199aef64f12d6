"""The recipes of the contributor's pages, followed on a copy of the code."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import sev_scheduling

ROOT = Path(sev_scheduling.__file__).parents[1]
PAGE = (ROOT / 'doc/source/contributor/where.rst').read_text()
#: Prints the fix of each problem by its code.
VALIDATE = """
import json, sys
from sev_scheduling import parse, validate
problems = validate(parse(*json.loads(sys.argv[1])))
print(json.dumps({problem.code: str(problem.fix) for problem in problems}))
"""

_BLOCK = re.compile(
    r'^\.\. (?:code-block|literalinclude):: (?P<what>\S+)\n'
    r'   :caption: (?P<file>\S+)\n(?P<text>(?:\n|   .*\n)*)',
    re.MULTILINE,
)


def recipe(title):
    """Return (what, file, text) of each block below a heading, in order."""
    section = re.split(rf'^{title}\n=+\n', PAGE, flags=re.MULTILINE)[1]
    section = re.split(r'^=+\n', section, flags=re.MULTILINE)[0]
    return [
        (
            block['what'],
            block['file'],
            textwrap.dedent(block['text']).strip('\n'),
        )
        for block in _BLOCK.finditer(section)
    ]


def apply(folder, file, diff):
    """Change a file as a block says; it must say where without doubt."""
    lines = diff.splitlines()
    before = '\n'.join(line[1:] for line in lines if line[:1] != '+')
    after = '\n'.join(line[1:] for line in lines if line[:1] != '-')
    path = folder / file
    text = path.read_text()
    assert text.count(f'\n{before}\n') == 1, f'{file} has no such lines'
    path.write_text(text.replace(f'\n{before}\n', f'\n{after}\n'))


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, with the tests beside it."""
    shutil.copytree(
        ROOT / 'sev_scheduling',
        tmp_path / 'sev_scheduling',
        ignore=shutil.ignore_patterns('__pycache__'),
    )
    for name in ('tests', 'doc', 'pyproject.toml'):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def run(folder, *arguments, path=''):
    """Run Python where a folder's package comes first."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            **os.environ,
            'PYTHONPATH': os.pathsep.join([str(folder), path]),
            'PYTHONDONTWRITEBYTECODE': '1',
        },
        capture_output=True,
        text=True,
        timeout=120,
    )


def fixes(folder, image, *, model='amd-sev', path=''):
    """Return the problems of an image: code -> fix."""
    specs = {'hw:mem_encryption': 'true', 'hw:mem_encryption_model': model}
    flavor = {'ram': 1, 'vcpus': 1, 'disk': 1, 'extra_specs': specs}
    given = json.dumps([flavor, {'name': 'i', **image}])
    ran = run(folder, '-c', VALIDATE, given, path=path)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_new_rule_is_found_once_it_has_its_words(copy):
    *rule, words = recipe('A new rule')
    catalogue = ('-m', 'pytest', 'tests/unit/explain/test_catalogue.py')
    image = {
        'hw_firmware_type': 'uefi',
        'hw_machine_type': 'q35',
        'hw_scsi_model': 'virtio-scsi',
    }

    for _, file, diff in rule:
        apply(copy, file, diff)
    ran = run(copy, *catalogue, '-q', '-p', 'no:cacheprovider')
    assert ran.returncode == 1, ran.stdout
    assert 'scsi-model-unused' in ran.stdout.lower()

    apply(copy, *words[1:])
    ran = run(copy, *catalogue, '-q', '-p', 'no:cacheprovider')
    assert ran.returncode == 0, ran.stdout
    assert fixes(copy, image) == {
        'scsi-model-unused': 'openstack image unset --property hw_scsi_model i'
    }
    assert fixes(copy, {**image, 'hw_disk_bus': 'scsi'}) == {}


def test_a_new_model_of_another_package_is_a_row(copy, tmp_path):
    (source, module, _), (_, project, text) = recipe('A new model')
    folder = tmp_path / 'plug-in'
    info = folder / 'arm_cca-1.0.dist-info'
    info.mkdir(parents=True)
    page = ROOT / 'doc/source/contributor/where.rst'
    shutil.copy(page.parent / source, folder / module)
    heading, entry = text.splitlines()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: arm-cca\n')
    image = {
        'hw_firmware_type': 'uefi',
        'hw_machine_type': 'virt',
        'hw_architecture': 'aarch64',
    }

    assert fixes(copy, image, model='arm-cca').keys() == {'unknown-model'}
    assert project == 'pyproject.toml'
    (info / 'entry_points.txt').write_text(
        f'[{heading.split(chr(34))[1]}]\n{entry.replace(chr(34), "")}\n'
    )
    assert fixes(copy, image, model='arm-cca', path=str(folder)) == {}
    found = fixes(
        copy,
        {**image, 'hw_machine_type': 'q35'},
        model='arm-cca',
        path=str(folder),
    )
    assert found.keys() == {'machine-type-not-q35'}
    assert 'virt' in found['machine-type-not-q35']


@pytest.mark.parametrize(
    'path', sorted({*re.findall(r'tests/[\w/]+\.py', PAGE)})
)
def test_the_tests_that_a_recipe_names_exist(path):
    assert (ROOT / path).exists()
