"""What libvirt and QEMU say: domain capabilities, from a file or asked for.

Format: libvirt, *Domain capabilities XML format*. ``maxGuests`` and
``maxESGuests`` came with libvirt 8.0, ``launchSecurity`` with 10.5.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from sev_scheduling.compute.sources.kernel import parse_count
from sev_scheduling.exceptions import InputError
from sev_scheduling.text import printable

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_ROOT = 'domainCapabilities'


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainCapabilities:
    """The parts of one ``<domainCapabilities>`` that matter here.

    :ivar virt_type: such as ``kvm``
    :ivar machine: the concrete machine type, such as ``pc-q35-9.0``
    :ivar sev: whether SEV is supported; None where libvirt does not say
    :ivar sectypes: supported kinds of ``<launchSecurity>``, None likewise
    :ivar tdx: whether TDX is supported, None likewise
    :ivar cpu_modes: CPU mode -> supported
    :ivar cpu_models: named CPU model -> usable on this host; None where
        libvirt does not know
    """

    arch: str | None = None
    virt_type: str | None = None
    machine: str | None = None
    sev: bool | None = None
    max_guests: int | None = None
    max_es_guests: int | None = None
    sectypes: frozenset[str] | None = None
    tdx: bool | None = None
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
    features = root.find('features')
    sev = _child(features, 'sev')
    security = _child(features, 'launchSecurity')
    return DomainCapabilities(
        arch=root.findtext('arch'),
        virt_type=root.findtext('domain'),
        machine=root.findtext('machine'),
        sev=_supported(sev),
        max_guests=_count(sev, 'maxGuests', origin),
        max_es_guests=_count(sev, 'maxESGuests', origin),
        sectypes=_sectypes(security),
        tdx=_supported(_child(features, 'tdx')),
        cpu_modes=MappingProxyType(
            {
                mode.get('name', ''): bool(_supported(mode))
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


_USABLE = {'yes': True, 'no': False}


def _child(parent: Element | None, tag: str) -> Element | None:
    return None if parent is None else parent.find(tag)


def _supported(element: Element | None) -> bool | None:
    return None if element is None else element.get('supported') == 'yes'


def _count(sev: Element | None, tag: str, origin: str) -> int | None:
    element = _child(sev, tag)
    if element is None:
        return None
    return parse_count(element.text, f'{origin}, <{tag}>')


def _sectypes(security: Element | None) -> frozenset[str] | None:
    if security is None:
        return None
    if not _supported(security):
        return frozenset()
    return frozenset(
        value.text or ''
        for value in security.iterfind("enum[@name='sectype']/value")
    )


DEFAULT_URI = 'qemu:///system'

#: Nova asks for these two as well; ``<tdx>`` differs between them.
_MACHINES = ('q35', 'pc')


@dataclass(frozen=True, slots=True)
class LibvirtAnswer:
    """What libvirt said.

    :ivar qemu_version: of the emulator
    """

    capabilities: tuple[DomainCapabilities, ...]
    qemu_version: tuple[int, int, int]


def ask_libvirt(
    uri: str = DEFAULT_URI, virt_type: str = 'kvm'
) -> LibvirtAnswer | None:
    """Return what libvirt says of x86_64 guests.

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
            for machine in _MACHINES:
                # One of the two may be left out of a distribution's QEMU.
                try:
                    texts.append(
                        connection.getDomainCapabilities(
                            None, 'x86_64', machine, virt_type, 0
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
            parse_domain_capabilities(text, f'libvirt at {uri}')
            for text in texts
        ),
        (version // 1_000_000, version // 1000 % 1000, version % 1000),
    )
