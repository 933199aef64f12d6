"""The command ``audit``."""

from __future__ import annotations

import json

import pytest

from sev_scheduling.cli.main import main
from tests.unit.factories import ON, READY, flavor, image


@pytest.fixture
def folders(tmp_path):
    """Return a function that runs ``audit`` on flavors and images."""

    def run(flavors, images, *options):
        for noun, things in (('flavors', flavors), ('images', images)):
            place = tmp_path / noun
            place.mkdir(exist_ok=True)
            for number, thing in enumerate(things):
                (place / f'{number}.json').write_text(json.dumps(thing))
        return main(
            [
                *('audit', '--flavors', str(tmp_path / 'flavors')),
                *('--images', str(tmp_path / 'images'), *options),
            ]
        )

    return run


SEV = flavor(ON, name='sev', id='s')
UNSET = {k: v for k, v in READY.items() if k != 'hw_machine_type'}


@pytest.mark.parametrize(
    ('images', 'status'),
    [([image(READY)], 0), ([image(UNSET)], 1), ([image()], 2)],
    ids=['success', 'warnings', 'failures'],
)
def test_the_status_is_that_of_nova_status(folders, capsys, images, status):
    assert folders([SEV], images) == status
    assert 'sev' in capsys.readouterr().out or not status


def test_programs_read_a_row_for_each_problem(folders, capsys):
    images = [image(name=f'i{n}', id=f'i{n}') for n in range(5)]

    folders([SEV], images, '-f', 'json', '--machine-type', 'q35')

    (row,) = json.loads(capsys.readouterr().out)
    assert row['Code'] == 'firmware-not-uefi'
    assert (row['Pairs'], row['Flavors']) == (5, ['sev'])
    assert row['Images'] == [f'i{n}' for n in range(5)]


def test_commands_are_printed_for_what_mends_something(folders, capsys):
    hostile = image(name='$(id)', id='x1')

    assert folders([SEV], [hostile], '--fix', '-f', 'json') == 2

    (row,) = json.loads(capsys.readouterr().out)
    assert (row['Target'], row['Name'], row['ID']) == ('image', '$(id)', 'x1')
    assert row['Command'].endswith(' x1')
    assert row['Caveats'] == 'boots-with-uefi'
    assert folders([SEV], [hostile], '--fix') == 2
    assert row['Command'] in capsys.readouterr().out.splitlines()


def test_many_pairs_take_one_page(folders, capsys):
    images = [
        image({'hw_machine_type': f'pc-{n}'}, name=f'i{n}', id=f'i{n}')
        for n in range(60)
    ]

    folders([SEV, flavor(name='plain')], images)

    assert len(capsys.readouterr().out.splitlines()) < 40


@pytest.mark.parametrize(
    'arguments',
    [
        ['--bogus'],
        ['--flavors', 'x'],
        ['--flavors', 'nowhere', '--images', 'nowhere'],
    ],
)
def test_bad_usage_is_no_failure_of_the_audit(capsys, arguments):
    assert main(['audit', *arguments]) == 255
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_lists_without_properties_are_refused_and_those_with_are_read(
    folders, capsys, tmp_path
):
    listed = {'ID': 's', 'Name': 'sev', 'RAM': 64, 'VCPUs': 1, 'Disk': 1}
    assert folders([[{**listed, 'Properties': ON}]], [image()]) == 2
    assert folders([[listed]], [image()]) == 255
    assert 'flavor show' in capsys.readouterr().err


def test_what_cannot_be_booted_is_left_out_and_counted(folders, capsys):
    queued = image(name='q', id='q', status='queued')

    assert folders([SEV], [queued, image(READY)]) == 0
    assert '1 not active' in capsys.readouterr().out


def test_a_folder_without_files_is_named(folders, capsys):
    assert folders([SEV], []) == 255
    assert '--images' in capsys.readouterr().err


@pytest.mark.parametrize('options', [[], ['--fix']], ids=['', 'fix'])
@pytest.mark.parametrize(
    ('flavors', 'images', 'says'),
    [
        ([], [], 'Flavors: 0; images and volumes to boot from: 0'),
        ([SEV], [], 'Flavors: 1; images and volumes to boot from: 0'),
        ([], [image(READY)], 'Flavors: 0; images and volumes to boot from: 1'),
        (
            [SEV],
            [image(READY, status='queued')],
            'Flavors: 1; images and volumes to boot from: 0',
        ),
    ],
    ids=['neither', 'no images', 'no flavors', 'none that can be booted'],
)
def test_where_there_is_nothing_to_audit_it_says_so(
    tmp_path, capsys, flavors, images, says, options
):
    files = []
    for noun, things in (('flavors', flavors), ('images', images)):
        file = tmp_path / noun
        file.write_text(json.dumps(things))
        files += [f'--{noun}', str(file)]

    assert main(['audit', *files, *options]) == 1
    assert says in capsys.readouterr().out
    assert main(['audit', *files, *options, '-f', 'json']) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out) == []
    assert says in printed.err


def test_a_file_that_is_no_image_is_named(folders, capsys):
    assert folders([SEV], [7]) == 255
    assert '0.json' in capsys.readouterr().err
