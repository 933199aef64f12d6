import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.firmware import (
    Descriptor,
    matching,
    parse_descriptor,
    search,
)
from sev_scheduling.exceptions import InputError
from sev_scheduling.models import find_model
from tests.unit.compute import samples

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
    found = parsed(targets=[{'architecture': 'x86_64', 'machines': machines}])

    assert found.runs_on(('x86_64',), machine) is runs


def test_other_architectures_do_not_count():
    found = parsed(
        targets=[{'architecture': 'aarch64', 'machines': ['virt-*']}]
    )

    assert not found.runs_on(('x86_64',), 'virt')
    assert found.runs_on(('x86_64', 'aarch64'), 'virt')


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        pytest.param('', 'not JSON', id='nothing'),
        pytest.param('{', 'not JSON', id='the beginning only'),
        pytest.param('[' * 100_000, 'not JSON', id='deep nesting'),
        pytest.param('1' * 5000, 'not JSON', id='an absurd number'),
        pytest.param('[]', r'descriptor .*is no object', id='a list'),
        pytest.param('{}', r"\('mapping' is missing\)", id='no mapping'),
        pytest.param('null', 'no firmware descriptor', id='null'),
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
        pytest.param({'features': [1]}, id='a number as a feature'),
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
    with pytest.raises(InputError, match='is no firmware descriptor'):
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


class TestSearch:
    @pytest.fixture
    def put(self, tmp_path):
        def write(path, text=None):
            file = tmp_path / path.lstrip('/')
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                text = json.dumps(descriptor())
            file.write_text(text)
            return file

        return write

    def test_descriptors_are_sorted_over_all_directories(self, put, tmp_path):
        put('/usr/share/qemu/firmware/30-b.json')
        put('/etc/qemu/firmware/20-c.json')
        put('/usr/share/qemu/firmware/10-a.json')
        put('/usr/share/qemu/firmware/README', 'no descriptor')
        put('/usr/share/qemu/firmware/.05-d.json', 'hidden')

        found = search(HostFilesystem(tmp_path))

        assert [d.name for d in found.descriptors] == [
            '10-a.json',
            '20-c.json',
            '30-b.json',
        ]
        assert found.missing == {'/fw/CODE.fd', '/fw/VARS.fd'}
        assert found.errors == ()

    def test_the_administrator_replaces_a_descriptor(self, put, tmp_path):
        put('/usr/share/qemu/firmware/50-a.json')
        put(
            '/etc/qemu/firmware/50-a.json',
            json.dumps(descriptor(features=['intel-tdx'])),
        )

        (found,) = search(HostFilesystem(tmp_path)).descriptors

        assert found.path == '/etc/qemu/firmware/50-a.json'
        assert found.features == {'intel-tdx'}

    def test_an_empty_file_hides_a_descriptor(self, put, tmp_path):
        put('/usr/share/qemu/firmware/50-a.json')
        put('/etc/qemu/firmware/50-a.json', '')

        assert search(HostFilesystem(tmp_path)).descriptors == ()

    def test_a_link_to_null_hides_a_descriptor(self, put, tmp_path):
        put('/usr/share/qemu/firmware/50-a.json')
        (tmp_path / 'etc/qemu/firmware').mkdir(parents=True)
        (tmp_path / 'etc/qemu/firmware/50-a.json').symlink_to('/dev/null')

        found = search(HostFilesystem(tmp_path))

        assert found.descriptors == ()
        assert found.errors == ()

    def test_one_bad_descriptor_does_not_hide_others(self, put, tmp_path):
        put('/usr/share/qemu/firmware/10-bad.json', '{')
        put('/usr/share/qemu/firmware/20-large.json', ' ' * (65 << 10))
        put('/usr/share/qemu/firmware/50-a.json')

        found = search(HostFilesystem(tmp_path))

        assert [d.name for d in found.descriptors] == ['50-a.json']
        assert len(found.errors) == 2

    def test_a_file_where_a_directory_belongs_is_reported(self, put, tmp_path):
        put('/etc/qemu/firmware', 'text')
        put('/usr/share/qemu/firmware/50-a.json')

        found = search(HostFilesystem(tmp_path))

        assert len(found.descriptors) == 1
        assert 'cannot be read' in found.errors[0]

    def test_a_host_may_have_none(self, tmp_path):
        found = search(HostFilesystem(tmp_path))

        assert (found.descriptors, found.errors) == ((), ())


@pytest.mark.parametrize(
    ('name', 'model', 'expected'),
    [
        pytest.param(
            samples.MILAN,
            'amd-sev',
            ['60-ovmf.json'],
            id='what requires SMM is left out',
        ),
        pytest.param(samples.MILAN, 'amd-sev-snp', [], id='none for SEV-SNP'),
        pytest.param(
            samples.GENOA,
            'amd-sev-es',
            ['55-ovmf-amdsev.json', '60-ovmf.json'],
            id='two for SEV-ES',
        ),
        pytest.param(
            samples.TDX,
            'intel-tdx',
            ['60-ovmf-inteltdx.json'],
            id='one for TDX',
        ),
    ],
)
def test_the_firmware_of_a_model_is_found(name, model, expected):
    found = search(samples.root(name))

    assert found.missing == set()
    assert [
        d.name
        for d in matching(found.descriptors, find_model(model), 'pc-q35-8.0')
    ] == expected


def test_a_bios_is_no_firmware_for_encrypted_guests():
    bios = parsed(**{'interface-types': ['bios']})

    assert matching([bios], find_model('amd-sev'), 'q35') == []
