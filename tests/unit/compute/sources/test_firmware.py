import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.firmware import (
    ERAS,
    Choice,
    Descriptor,
    Guest,
    chosen_by_libvirt,
    chosen_by_nova,
    eras,
    glob,
    libvirt_problems,
    libvirt_refuses,
    nova_problems,
    nova_refuses,
    parse_descriptor,
    search,
    secure_boot_offered,
)
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import NoteCode
from sev_scheduling.models import BUILTIN_MODELS, find_model
from tests.unit.compute import descriptors, samples
from tests.unit.compute.descriptors import ETC, SHARE

FLASH = {
    'device': 'flash',
    'executable': {'filename': '/fw/CODE.fd', 'format': 'raw'},
    'nvram-template': {'filename': '/fw/VARS.fd', 'format': 'raw'},
}


def descriptor(**changes):
    return {
        'description': 'OVMF',
        'interface-types': ['uefi'],
        'mapping': FLASH,
        'targets': [{'architecture': 'x86_64', 'machines': ['pc-q35-*']}],
        'features': ['amd-sev'],
        'tags': [],
        **changes,
    }


def parsed(**changes):
    return parse_descriptor(json.dumps(descriptor(**changes)), '/x/50-a.json')


def test_a_descriptor_is_read():
    assert parsed() == Descriptor(
        path='/x/50-a.json',
        uefi=True,
        device='flash',
        mode='split',
        files=('/fw/CODE.fd', '/fw/VARS.fd'),
        targets=(('x86_64', 'pc-q35-*'),),
        features=frozenset({'amd-sev'}),
        formats=('raw', 'raw'),
    )
    assert parsed().name == '50-a.json'


@pytest.mark.parametrize(
    ('mapping', 'files', 'stateless'),
    [
        pytest.param(FLASH, 2, False, id='flash, as it was before modes'),
        pytest.param({**FLASH, 'mode': 'split'}, 2, False, id='split flash'),
        pytest.param(
            {**FLASH, 'mode': 'combined'}, 1, False, id='one flash for both'
        ),
        pytest.param(
            {**FLASH, 'mode': 'stateless'},
            1,
            True,
            id='flash without variables',
        ),
        pytest.param(
            {'device': 'memory', 'filename': '/fw/A.fd'}, 1, True, id='memory'
        ),
        pytest.param(
            {'device': 'kernel', 'filename': '/fw/A.fd'},
            1,
            False,
            id='a kernel',
        ),
    ],
)
def test_only_flash_with_variables_keeps_a_state(mapping, files, stateless):
    found = parsed(mapping=mapping)

    assert len(found.files) == files
    assert found.stateless is stateless


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        pytest.param('', 'not JSON', id='nothing'),
        pytest.param('{', 'not JSON', id='the beginning only'),
        pytest.param('[' * 100_000, 'not JSON', id='deep nesting'),
        pytest.param('1' * 5000, 'not JSON', id='an absurd number'),
        pytest.param('[]', 'no usable interface-types', id='a list'),
        pytest.param('{}', 'no usable interface-types', id='no mapping'),
        pytest.param('null', 'no usable', id='null'),
    ],
)
def test_another_file_is_an_error(text, words):
    with pytest.raises(InputError, match=words) as caught:
        parse_descriptor(text, '/x/50-a.json')
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    'changes',
    [
        pytest.param({'features': 'amd-sev'}, id='text as features'),
        pytest.param({'features': {}}, id='a mapping as features'),
        pytest.param({'interface-types': None}, id='null as interfaces'),
        pytest.param({'targets': [{'machines': []}]}, id='no architecture'),
        pytest.param({'targets': 'x'}, id='text as targets'),
        pytest.param({'mapping': {'device': 'flash'}}, id='no executable'),
        pytest.param({'mapping': {'device': 'memory'}}, id='no file'),
        pytest.param({'mapping': {'device': 7}}, id='a number as a device'),
        pytest.param({'mapping': 'flash'}, id='text as a mapping'),
        pytest.param(
            {'mapping': {**FLASH, 'mode': []}}, id='a list as a mode'
        ),
    ],
)
def test_another_shape_is_an_error(changes):
    with pytest.raises(InputError, match=r'has (no usable|[a-z-]+ .*, which)'):
        parsed(**changes)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(sorted(descriptor())), _JSON)
def test_any_value_is_read_or_an_error_of_one_line(key, value):
    data = copy.deepcopy(descriptor())
    data[key] = value

    _, error = samples.outcome(parse_descriptor, json.dumps(data), '/x/a.json')

    assert error.isprintable()


@given(st.text())
def test_any_text_is_an_error_of_one_line(text):
    _, error = samples.outcome(parse_descriptor, text, '/x/a.json')

    assert error
    assert error.isprintable()


@pytest.mark.parametrize(
    ('machines', 'machine', 'runs'),
    [
        pytest.param(['pc-q35-*'], 'pc-q35-9.0', True, id='of its pattern'),
        pytest.param(
            ['pc-i440fx-*'], 'pc-q35-9.0', False, id='of another pattern'
        ),
        pytest.param(['pc-q35-8.*'], 'pc-q35-9.0', False, id='too new'),
        pytest.param(
            ['pc-q35-9.0.1'], 'pc-q35-9.0', False, id='a longer name'
        ),
        pytest.param(['pc-q35-8.*'], 'q35', True, id='any q35'),
        pytest.param(['pc-q35-*'], 'q35', True, id='the alias'),
        pytest.param(['pc-*'], 'q35', True, id='any of the family'),
        pytest.param(['pc-i440fx-*'], 'q35', False, id='no q35'),
        pytest.param([], 'q35', False, id='nothing'),
    ],
)
def test_a_descriptor_runs_on_its_machine_types(machines, machine, runs):
    targets = [('x86_64', pattern) for pattern in machines]
    others = [('aarch64', machine)]

    guest = Guest(find_model('amd-sev'), machine)

    assert guest.runs([*others, *targets], glob) is runs


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


def _found(root, files):
    descriptors.lay(root, files)
    return search(HostFilesystem(root))


def _chosen(choice):
    return choice.descriptor and choice.descriptor.path


NEWEST = ERAS[-1]
V9_0, V9_2, V11_3, V12_0 = ERAS[1:5]
Q35 = 'pc-q35-9.0'


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


@pytest.mark.parametrize('name', descriptors.SETS)
@pytest.mark.parametrize('model', BUILTIN_MODELS, ids=str)
@pytest.mark.parametrize('secure_boot', [False, True])
def test_whatever_is_chosen_is_among_the_descriptors(
    name, model, secure_boot, tmp_path
):
    found = _found(tmp_path, descriptors.SETS[name])
    paths = {file.path for file in found.files}
    guest = Guest(model, Q35, model.stateless_firmware, secure_boot)

    for choice in (
        *(chosen_by_libvirt(found, guest, era) for era in ERAS),
        chosen_by_nova(found, guest),
    ):
        assert choice.descriptor is None or choice.problem is None
        assert _chosen(choice) is None or _chosen(choice) in paths


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
    found = _found(tmp_path, descriptors.SETS[name])
    known = find_model(model)
    guest = Guest(known, Q35, known.stateless_firmware, secure_boot)

    chosen = _chosen(chosen_by_libvirt(found, guest, era))

    assert chosen == (expected and f'/{SHARE}/{expected}')


def test_an_old_libvirt_chooses_a_format_that_it_then_refuses(tmp_path):
    found = _found(tmp_path, descriptors.SETS['qcow2'])

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
    problems = libvirt_problems(_found(tmp_path, descriptors.SETS[name]))

    assert [problem.code for problem in problems] == codes


@pytest.mark.parametrize(
    ('name', 'code'),
    [
        ('what Debian sid ships', None),
        ('an empty object', None),
        ('another extension', None),
        ('no JSON', 'descriptor-not-json'),
        ('etc masks share with an empty file', 'descriptor-not-json'),
        ('a directory among them', 'descriptor-no-file'),
    ],
)
def test_nova_stops_at_what_is_no_json(name, code, tmp_path):
    found = _found(tmp_path, descriptors.SETS[name])
    problem = nova_refuses(found)

    assert (problem and problem.code) == code


def test_nova_passes_over_what_lacks_a_key(tmp_path):
    found = _found(tmp_path, descriptors.SETS['an empty object'])

    (problem,) = nova_problems(found)

    assert problem.values['key'] == 'targets'


def test_nova_stops_at_a_type_that_it_does_not_expect(tmp_path):
    found = _found(tmp_path, descriptors.SETS['an empty list'])

    choice = chosen_by_nova(found, Guest(find_model('amd-sev'), Q35))

    assert choice.problem.code is NoteCode.DESCRIPTOR_TYPE


def test_nova_takes_firmware_that_does_not_list_the_model(tmp_path):
    found = _found(tmp_path, descriptors.SETS['what Debian 12 ships'])

    choice = chosen_by_nova(found, Guest(find_model('amd-sev-es'), Q35))

    assert choice.descriptor.files == ('/fw/CODE_4M.fd', '/fw/VARS_4M.fd')


def test_a_guest_without_variables_needs_no_template(tmp_path):
    found = _found(tmp_path, descriptors.SETS['what Debian 12 ships'])

    choice = chosen_by_nova(found, Guest(find_model('amd-sev'), Q35, True))

    assert choice.descriptor.files == ('/fw/CODE_4M.fd',)


def test_a_directory_that_cannot_be_read_stops_libvirt(tmp_path):
    place = tmp_path / ETC
    place.parent.mkdir(parents=True)
    place.write_text('text')
    found = search(HostFilesystem(tmp_path))

    assert libvirt_refuses(found, NEWEST).code is NoteCode.UNUSABLE_INPUT


def test_links_in_circles_are_unreadable(tmp_path):
    found = _found(tmp_path, {f'{SHARE}/a.json': descriptors.Link('a.json')})

    (problem,) = libvirt_problems(found)

    assert problem.code is NoteCode.DESCRIPTOR_UNREADABLE


def test_the_files_that_are_there_are_known(tmp_path):
    (tmp_path / 'fw').mkdir()
    (tmp_path / 'fw/amdsev.fd').touch()
    name = 'variables kept by the host, with a template'
    found = _found(
        tmp_path,
        descriptors.SETS[name] | descriptors.share(x=descriptors.AMDSEV),
    )

    assert found.present == {'/fw/amdsev.fd'}


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
    found = _found(tmp_path, descriptors.SETS[name])
    guest = Guest(find_model('intel-tdx'), Q35)

    assert secure_boot_offered(found, guest) is offered


@settings(max_examples=60, deadline=None)
@given(descriptors.ANY_FOLDERS)
def test_whatever_is_there_ends_in_a_choice_or_none(tmp_path_factory, files):
    found = _found(tmp_path_factory.mktemp('host'), files)

    for model in BUILTIN_MODELS:
        guest = Guest(model, Q35, model.stateless_firmware)
        for choice in (
            *(chosen_by_libvirt(found, guest, era) for era in ERAS),
            chosen_by_nova(found, guest),
        ):
            assert isinstance(choice, Choice)
            assert str(choice.problem or '').isprintable()
