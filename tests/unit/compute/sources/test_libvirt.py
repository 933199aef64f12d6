import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sev_scheduling.compute.sources.libvirt import (
    DomainCapabilities,
    ask_libvirt,
    parse_domain_capabilities,
)
from sev_scheduling.exceptions import InputError
from tests.unit.compute import samples


def document(features='', rest=''):
    return (
        '<domainCapabilities><arch>x86_64</arch>'
        f'{rest}<features>{features}</features></domainCapabilities>'
    )


def test_a_document_is_read():
    text = samples.capabilities_text(samples.GENOA)

    found = parse_domain_capabilities(text, 'caps')

    assert found.arch == 'x86_64'
    assert found.virt_type == 'kvm'
    assert found.machine == 'pc-q35-9.1'
    assert found.features['sev']
    assert found.slots == {'sev/maxGuests': 754, 'sev/maxESGuests': 252}
    assert found.sectypes == {'sev', 'sev-snp'}
    assert 'tdx' not in found.features
    assert dict(found.cpu_modes) == {
        'host-passthrough': True,
        'host-model': True,
        'custom': True,
    }
    assert dict(found.cpu_models) == {
        'EPYC': True,
        'EPYC-Genoa': True,
        'Skylake-Server': False,
        'qemu64': None,
    }


def test_an_empty_document_has_nothing():
    assert (
        parse_domain_capabilities('<domainCapabilities/>', 'caps')
        == DomainCapabilities()
    )


@pytest.mark.parametrize(
    ('features', 'expected'),
    [
        pytest.param(
            '<sev/>', {'features': {'sev': False}}, id='sev that says nothing'
        ),
        pytest.param(
            "<sev supported='no'/>", {'features': {'sev': False}}, id='no sev'
        ),
        pytest.param(
            "<sev supported='yes'/>",
            {'features': {'sev': True}, 'slots': {}},
            id='sev of libvirt before 8.0',
        ),
        pytest.param(
            "<sev supported='yes'><maxGuests> 15 </maxGuests></sev>",
            {'slots': {'sev/maxGuests': 15}},
            id='blanks around a number',
        ),
        pytest.param(
            "<launchSecurity supported='no'><enum name='sectype'>"
            '<value>sev-snp</value></enum></launchSecurity>',
            {'sectypes': frozenset()},
            id='kinds that are not supported',
        ),
        pytest.param(
            "<launchSecurity supported='yes'><enum name='other'>"
            '<value>sev-snp</value></enum></launchSecurity>',
            {'sectypes': frozenset()},
            id='another enumeration',
        ),
        pytest.param(
            "<tdx supported='yes'/>", {'features': {'tdx': True}}, id='tdx'
        ),
        pytest.param(
            "<tdx supported='no'/>", {'features': {'tdx': False}}, id='no tdx'
        ),
    ],
)
def test_a_feature_is_read(features, expected):
    found = parse_domain_capabilities(document(features), 'caps')

    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        pytest.param('', 'not well-formed', id='nothing'),
        pytest.param(
            'error: failed to connect',
            'not well-formed',
            id="virsh's complaint",
        ),
        pytest.param(
            '<domainCapabilities>', 'not well-formed', id='the beginning only'
        ),
        pytest.param(
            '<capabilities/>',
            'not <domainCapabilities>',
            id='the capabilities of the host',
        ),
        pytest.param(
            '<!DOCTYPE d [<!ENTITY a "b">]><domainCapabilities/>',
            'document type',
            id='an entity',
        ),
        pytest.param(
            '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
            '<domainCapabilities><arch>&a;</arch></domainCapabilities>',
            'document type',
            id='a file as an entity',
        ),
        pytest.param(
            document("<sev supported='yes'><maxGuests>-1</maxGuests></sev>"),
            '<maxGuests>',
            id='a negative number',
        ),
        pytest.param(
            document(
                "<sev supported='yes'><maxESGuests>99999999999"
                '</maxESGuests></sev>'
            ),
            '<maxESGuests>',
            id='an absurd number',
        ),
        pytest.param(
            document("<sev supported='yes'><maxGuests/></sev>"),
            '<maxGuests>',
            id='an empty number',
        ),
    ],
)
def test_another_document_is_an_error(text, words):
    with pytest.raises(InputError, match=words) as caught:
        parse_domain_capabilities(text, 'caps.xml')

    assert str(caught.value).startswith('caps.xml')
    assert str(caught.value).isprintable()


def test_entities_are_not_expanded():
    bomb = '<!DOCTYPE d [<!ENTITY a0 "ha">'
    for number in range(1, 30):
        bomb += f'<!ENTITY a{number} "&a{number - 1};&a{number - 1};">'
    bomb += ']><domainCapabilities><arch>&a29;</arch></domainCapabilities>'

    with pytest.raises(InputError, match='document type'):
        parse_domain_capabilities(bomb, 'caps')


def test_deep_nesting_does_no_harm():
    deep = '<a>' * 100_000 + '</a>' * 100_000

    found = parse_domain_capabilities(document(deep), 'caps')

    assert found.features == {'a': False}


@given(st.text())
def test_any_text_is_an_error_of_one_line(text):
    with pytest.raises(InputError) as caught:
        parse_domain_capabilities(text, 'caps')

    assert str(caught.value).isprintable()


@given(
    st.recursive(
        st.text(
            st.characters(
                codec='utf-8',
                exclude_categories=['Cc'],
                exclude_characters='<&',
            )
        ),
        lambda inner: st.builds(
            lambda tag, attribute, parts: (
                f'<{tag} supported="{attribute}">{"".join(parts)}</{tag}>'
            ),
            st.sampled_from(
                ['features', 'sev', 'maxGuests', 'launchSecurity', 'enum']
            ),
            st.sampled_from(['yes', 'no', '']),
            st.lists(inner, max_size=3),
        ),
    )
)
def test_any_xml_is_read_or_an_error_of_one_line(inner):
    _, error = samples.outcome(
        parse_domain_capabilities, document(inner), 'caps'
    )

    assert error.isprintable()


class LibvirtError(Exception):
    pass


class Connection:
    """Answers as libvirt-python does, for the machine types it has."""

    def __init__(self, machines):
        self.machines = machines
        self.asked = []
        self.closed = False

    def getVersion(self):  # noqa: N802
        return 8_002_011

    def getLibVersion(self):  # noqa: N802
        return 11_003_000

    def getDomainCapabilities(  # noqa: N802
        self, emulator, arch, machine, virt_type, flags
    ):
        self.asked.append((emulator, arch, machine, virt_type, flags))
        if machine not in self.machines:
            raise LibvirtError(f'the machine {machine!r} is not supported')
        return self.machines[machine]

    def close(self):
        self.closed = True


@pytest.fixture
def libvirt(monkeypatch):
    text = samples.capabilities_text(samples.MILAN)
    module = types.ModuleType('libvirt')
    module.libvirtError = LibvirtError
    module.connection = Connection({'q35': text, 'pc': text})
    module.registerErrorHandler = lambda handler, context: handler(1, 2)
    module.open = lambda uri: module.connection
    monkeypatch.setitem(sys.modules, 'libvirt', module)
    return module


def test_libvirt_is_asked_for_both_machine_types(libvirt):
    answer = ask_libvirt('qemu:///system')

    assert [caps.slots['sev/maxGuests'] for caps in answer.capabilities] == [
        410,
        410,
    ]
    assert answer.qemu_version == (8, 2, 11)
    assert libvirt.connection.asked == [
        (None, 'x86_64', 'q35', 'kvm', 0),
        (None, 'x86_64', 'pc', 'kvm', 0),
    ]
    assert libvirt.connection.closed


def test_one_machine_type_is_enough(libvirt):
    del libvirt.connection.machines['pc']

    assert len(ask_libvirt().capabilities) == 1


def test_no_machine_type_is_an_error(libvirt):
    libvirt.connection.machines.clear()

    with pytest.raises(InputError, match='is not supported'):
        ask_libvirt()
    assert libvirt.connection.closed


def test_a_libvirt_that_is_not_running_is_reported(libvirt):
    def refuse(uri):
        raise LibvirtError('Failed to connect\nto the socket')

    libvirt.open = refuse

    with pytest.raises(InputError, match='run as root') as caught:
        ask_libvirt('qemu:///system')
    assert str(caught.value).isprintable()


def test_an_absurd_answer_is_reported(libvirt):
    libvirt.connection.machines['q35'] = '<capabilities/>'

    with pytest.raises(InputError, match=r'^libvirt \(qemu:///system\) holds'):
        ask_libvirt()


def test_without_libvirt_python_nothing_is_known(monkeypatch):
    monkeypatch.setitem(sys.modules, 'libvirt', None)

    assert ask_libvirt() is None
