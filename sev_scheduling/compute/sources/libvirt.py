"""What libvirt and QEMU say: domain capabilities, from a file or asked for.

Format: libvirt, *Domain capabilities XML format*. ``maxGuests`` and
``maxESGuests`` came with libvirt 8.0, ``launchSecurity`` with 10.5.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.kernel import parse_count
from sev_scheduling.exceptions import InputError
from sev_scheduling.models import registered_models
from sev_scheduling.text import printable

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

Version = tuple[int, int, int]

_ROOT = 'domainCapabilities'
_SECURITY = "features/launchSecurity[@supported='yes']"
_USABLE = {'yes': True, 'no': False}


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainCapabilities:
    """The parts of one ``<domainCapabilities>`` that matter here.

    :ivar virt_type: such as ``kvm``
    :ivar machine: the concrete machine type, such as ``pc-q35-9.0``
    :ivar features: name of an element of ``<features>`` -> supported; absent
        where libvirt does not say
    :ivar slots: number of guests, by the path of its element below
        ``<features>``, such as ``sev/maxGuests``
    :ivar sectypes: supported kinds of ``<launchSecurity>``
    :ivar cpu_modes: CPU mode -> supported
    :ivar cpu_models: named CPU model -> usable on this host; None where
        libvirt does not know
    """

    arch: str | None = None
    virt_type: str | None = None
    machine: str | None = None
    features: Mapping[str, bool] = field(default_factory=dict, hash=False)
    slots: Mapping[str, int] = field(default_factory=dict, hash=False)
    sectypes: frozenset[str] = frozenset()
    cpu_modes: Mapping[str, bool] = field(default_factory=dict, hash=False)
    cpu_models: Mapping[str, bool | None] = field(
        default_factory=dict, hash=False
    )


def parse_domain_capabilities(text: str, origin: str) -> DomainCapabilities:
    """Return what ``virsh domcapabilities`` printed.

    :raises InputError: where it is no such XML; a document type, and with
        it every entity, is refused
    """
    try:
        root: Element = ElementTree.fromstring(text, forbid_dtd=True)
    except DefusedXmlException as error:
        raise InputError(
            f'{origin} declares a document type or an entity; give what '
            'virsh domcapabilities prints.'
        ) from error
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(
            f'{origin} is not well-formed XML ({error}); give what virsh '
            'domcapabilities prints.'
        ) from error
    if root.tag != _ROOT:
        raise InputError(
            f'{origin} holds <{printable(root.tag[:40])}>, not <{_ROOT}>; '
            'give what virsh domcapabilities prints.'
        )
    return DomainCapabilities(
        arch=root.findtext('arch'),
        virt_type=root.findtext('domain'),
        machine=root.findtext('machine'),
        features=MappingProxyType(
            {e.tag: _supported(e) for e in root.iterfind('features/*')}
        ),
        slots=MappingProxyType(dict(_slots(root, origin))),
        sectypes=frozenset(
            value.text or ''
            for security in root.iterfind(_SECURITY)
            for value in security.iterfind("enum[@name='sectype']/value")
        ),
        cpu_modes=MappingProxyType(
            {
                mode.get('name', ''): _supported(mode)
                for mode in root.iterfind('cpu/mode')
            }
        ),
        cpu_models=MappingProxyType(
            {
                model.text or '': _USABLE.get(model.get('usable', ''))
                for model in root.iterfind("cpu/mode[@name='custom']/model")
            }
        ),
    )


def _supported(element: Element) -> bool:
    return element.get('supported') == 'yes'


def _slots(root: Element, origin: str) -> Iterator[tuple[str, int]]:
    for model in registered_models().values():
        tag = model.domain_capability_slots
        path = f'{model.domain_capability}/{tag}'
        element = root.find(f'features/{path}') if tag else None
        if element is not None:
            yield path, parse_count(element.text, f'{origin}, <{tag}>')


DEFAULT_URI = 'qemu:///system'


@dataclass(frozen=True, slots=True)
class LibvirtAnswer:
    """What libvirt said.

    :ivar qemu_version: of the emulator
    :ivar libvirt_version: of the daemon
    """

    capabilities: tuple[DomainCapabilities, ...]
    qemu_version: Version
    libvirt_version: Version | None = None


#: Element of ``<features>`` -> the first version of libvirt that has it.
_SINCE = {'launchSecurity': (10, 5, 0), 'tdx': (11, 6, 0)}

_LIBRARIES = (
    *('/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu'),
    *('/usr/lib64', '/usr/lib'),
)


def least_version(capabilities: Iterable[DomainCapabilities]) -> Version:
    """Return a version of libvirt that these documents are not below."""
    return max(
        (
            since
            for document in capabilities
            for element, since in _SINCE.items()
            if element in document.features
        ),
        default=(0, 0, 0),
    )


def library_version(root: HostFilesystem) -> Version | None:
    """Return the version of the libvirt that a host has installed.

    Libvirt puts its version into the name of its library:
    ``libvirt.so.0.11003.0`` is 11.3.0.
    """
    for directory in _LIBRARIES:
        name = root.locate(f'{directory}/libvirt.so.0').name
        found = re.fullmatch(r'libvirt\.so\.0\.([0-9]{4,6})\.([0-9]+)', name)
        if found:
            return *divmod(int(found[1]), 1000), int(found[2])
    return None


def ask_libvirt(
    uri: str = DEFAULT_URI, virt_type: str = 'kvm'
) -> LibvirtAnswer | None:
    """Return what libvirt says of guests that may be encrypted.

    :returns: None where libvirt-python is not installed
    :raises InputError: where libvirt cannot be asked
    """
    try:
        libvirt: Any = importlib.import_module('libvirt')
    except ImportError:
        return None
    # Its default handler prints each error that is raised as well.
    libvirt.registerErrorHandler(lambda *_: None, None)
    texts: list[str] = []
    refusal = None
    try:
        # Libvirt refuses domain capabilities to a read-only connection
        # (CVE-2019-10167).
        connection = libvirt.open(uri)
        try:
            version = connection.getVersion()
            own = connection.getLibVersion()
            for architecture, machine in _machines():
                # QEMU may be built without a machine or an architecture.
                try:
                    texts.append(
                        connection.getDomainCapabilities(
                            None, architecture, machine, virt_type, 0
                        )
                    )
                except libvirt.libvirtError as error:
                    refusal = error
        finally:
            connection.close()
    except libvirt.libvirtError as error:
        refusal = error
    if not texts:
        raise InputError(
            f'libvirt at {printable(uri)} cannot be asked: '
            f'{printable(str(refusal))}; run as root, or give a file with '
            '--domain-capabilities.'
        ) from refusal
    return LibvirtAnswer(
        tuple(
            parse_domain_capabilities(text, f'libvirt ({printable(uri)})')
            for text in texts
        ),
        _version(version),
        _version(own),
    )


def _version(number: int) -> Version:
    return number // 1_000_000, number // 1000 % 1000, number % 1000


def _machines() -> list[tuple[str, str]]:
    """Return architectures and machine types to ask for.

    Nova asks for pc on x86_64 as well; ``<tdx>`` differs between the two.
    """
    wanted = [
        (architecture, model.machine_type)
        for model in registered_models().values()
        for architecture in model.architectures
    ]
    return [*dict.fromkeys([*wanted, ('x86_64', 'pc')])]
