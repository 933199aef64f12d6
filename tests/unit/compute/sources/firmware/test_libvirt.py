import pytest

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.firmware import (
    ERAS,
    Guest,
    chosen_by_libvirt,
    eras,
    glob,
    libvirt_problems,
    libvirt_refuses,
    search,
    secure_boot_offered,
)
from sev_scheduling.hosts.check import NoteCode
from sev_scheduling.models import find_model
from tests.unit.compute import descriptors
from tests.unit.compute.descriptors import ETC, SHARE, chosen, found_in

NEWEST = ERAS[-1]
V9_0, V9_2, V11_3, V12_0 = ERAS[1:5]
Q35 = 'pc-q35-9.0'


@pytest.mark.parametrize(
    ('pattern', 'name', 'matches'),
    [
        ('pc-q35-*', 'pc-q35-9.0', True),
        ('pc-q3?-*', 'pc-q35-9.0', True),
        ('pc-[q]35-*', 'pc-q35-9.0', False),
        ('pc-q35', 'pc-q35-9.0', False),
        ('*', 'pc\nq35', True),
        ('a.c', 'abc', False),
    ],
)
def test_libvirts_patterns_know_two_wild_cards(pattern, name, matches):
    assert glob(name, pattern) is matches


@pytest.mark.parametrize(
    ('version', 'expected'),
    [
        pytest.param((8, 0, 0), ERAS[:1], id='the oldest that nova takes'),
        pytest.param((8, 6, 0), (V9_0,), id='the first of an era'),
        pytest.param((9, 1, 5), (V9_0,), id='the last of an era'),
        pytest.param((9, 2, 0), (V9_2,), id='the next'),
        pytest.param((10, 0, 0), (V9_2,), id='Ubuntu 24.04'),
        pytest.param((10, 5, 0), (V9_2, V11_3), id='between two'),
        pytest.param((11, 3, 0), (V11_3,), id='Debian 13'),
        pytest.param((11, 6, 0), (V11_3, V12_0), id='between two more'),
        pytest.param((12, 0, 0), (V12_0,), id='Ubuntu 26.04'),
        pytest.param((12, 8, 0), (NEWEST,), id='Debian sid'),
        pytest.param((20, 0, 0), (NEWEST,), id='the future'),
        pytest.param(None, ERAS, id='unknown'),
    ],
)
def test_the_rules_follow_the_version(version, expected):
    assert eras(version) == expected


def test_an_unknown_version_is_not_below_what_is_needed():
    assert eras(None, (11, 6, 0)) == (V12_0, NEWEST)


@pytest.mark.parametrize(
    ('name', 'model', 'secure_boot', 'era', 'expected'),
    [
        pytest.param(
            'what Debian sid ships',
            'intel-tdx',
            False,
            NEWEST,
            None,
            id='TDX firmware has Secure Boot',
        ),
        pytest.param(
            'what Debian sid ships',
            'intel-tdx',
            True,
            NEWEST,
            '60-edk2-x86_64-inteltdx.json',
            id='for which TDX guests can ask',
        ),
        pytest.param(
            'what Debian sid ships',
            'amd-sev-snp',
            True,
            NEWEST,
            None,
            id='and SEV-SNP guests cannot',
        ),
        pytest.param(
            'what Debian sid ships',
            'amd-sev',
            True,
            NEWEST,
            '40-edk2-x86_64-secure-enrolled.json',
            id='SEV with Secure Boot',
        ),
        pytest.param(
            'what Debian 12 ships',
            'amd-sev',
            False,
            V9_0,
            None,
            id='libvirt 9.0 refuses what nova writes',
        ),
        pytest.param(
            'combined flash alone',
            'amd-sev',
            False,
            V11_3,
            None,
            id='combined flash before 12.0',
        ),
        pytest.param(
            'combined flash alone',
            'amd-sev',
            False,
            V12_0,
            'a.json',
            id='combined flash since',
        ),
        pytest.param(
            'stateless flash first',
            'amd-sev',
            False,
            V11_3,
            'b.json',
            id='stateless flash before 12.0',
        ),
        pytest.param(
            'stateless flash first',
            'amd-sev',
            False,
            V12_0,
            'a.json',
            id='stateless flash unasked since',
        ),
        pytest.param(
            'an empty object',
            'amd-sev',
            False,
            V9_2,
            None,
            id='one odd file stops an old libvirt',
        ),
        pytest.param(
            'an empty object',
            'amd-sev',
            False,
            V11_3,
            '50-es.json',
            id='and is passed over by a newer one',
        ),
        pytest.param(
            'a link that leads nowhere',
            'amd-sev',
            False,
            NEWEST,
            None,
            id='a link that leads nowhere stops all',
        ),
    ],
)
def test_libvirt_chooses(name, model, secure_boot, era, expected, tmp_path):
    found = found_in(tmp_path, descriptors.SETS[name])
    known = find_model(model)
    guest = Guest(known, Q35, known.stateless_firmware, secure_boot)

    path = chosen(chosen_by_libvirt(found, guest, era))

    assert path == (expected and f'/{SHARE}/{expected}')


def test_an_old_libvirt_chooses_a_format_that_it_then_refuses(tmp_path):
    found = found_in(tmp_path, descriptors.SETS['qcow2'])

    choice = chosen_by_libvirt(
        found, Guest(find_model('amd-sev'), Q35), ERAS[0]
    )

    assert choice.problem.code is NoteCode.DESCRIPTOR_FORMAT


@pytest.mark.parametrize(
    ('name', 'codes'),
    [
        ('no file at all', []),
        ('what Debian sid ships', []),
        ('etc masks share with an empty file', []),
        ('an empty object', ['descriptor-shape']),
        ('no JSON', ['descriptor-not-json']),
        ('not UTF-8', ['descriptor-unreadable']),
        ('a directory among them', ['descriptor-no-file']),
        ('a link that leads nowhere', ['descriptor-dangling']),
        ('an unknown interface', ['descriptor-unknown-value']),
        ('larger than libvirt reads', ['descriptor-too-large']),
        (
            'a link to nothing in particular masks nothing',
            ['descriptor-no-file'],
        ),
    ],
)
def test_one_odd_file_is_one_note(name, codes, tmp_path):
    problems = libvirt_problems(found_in(tmp_path, descriptors.SETS[name]))

    assert [problem.code for problem in problems] == codes


def test_a_directory_that_cannot_be_read_stops_libvirt(tmp_path):
    place = tmp_path / ETC
    place.parent.mkdir(parents=True)
    place.write_text('text')
    found = search(HostFilesystem(tmp_path))

    assert libvirt_refuses(found, NEWEST).code is NoteCode.UNUSABLE_INPUT


def test_links_in_circles_are_unreadable(tmp_path):
    found = found_in(tmp_path, {f'{SHARE}/a.json': descriptors.Link('a.json')})

    (problem,) = libvirt_problems(found)

    assert problem.code is NoteCode.DESCRIPTOR_UNREADABLE


@pytest.mark.parametrize(
    ('name', 'offered'),
    [
        ('what Debian sid ships', True),
        ('the inteltdx package alone', False),
    ],
)
def test_secure_boot_is_offered_where_firmware_requires_smm(
    name, offered, tmp_path
):
    found = found_in(tmp_path, descriptors.SETS[name])
    guest = Guest(find_model('intel-tdx'), Q35)

    assert secure_boot_offered(found, guest) is offered
