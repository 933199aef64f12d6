"""The hosts under tests/samples/compute, and what each of them offers."""

from pathlib import Path

from sev_scheduling.compute import (
    HostFilesystem,
    gather,
    parse_domain_capabilities,
)
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import Note

DIRECTORY = Path(__file__).parents[2] / 'samples' / 'compute'

MILAN = 'milan-es-kernel-5.15-libvirt-9.0'
GENOA = 'genoa-snp-kernel-6.11-libvirt-10.5'
TDX = 'tdx-kernel-6.16-libvirt-11.6'
INTEL = 'intel-kernel-6.1-libvirt-10.0'

#: Host -> model -> slots that it offers, None for an unknown number.
OFFERS = {
    'naples-kernel-5.4-libvirt-7.0': {'amd-sev': None},
    'rome-kernel-5.10-libvirt-8.0': {'amd-sev': 509},
    MILAN: {'amd-sev': 410, 'amd-sev-es': 99},
    'milan-no-es-asids-kernel-6.1-libvirt-9.0': {'amd-sev': 509},
    GENOA: {'amd-sev': 754, 'amd-sev-snp': 252},
    'genoa-snp-kernel-6.12-libvirt-9.0': {'amd-sev': 754},
    'genoa-stale-libvirt-kernel-6.8-libvirt-10.0': {
        'amd-sev': 906,
        'amd-sev-es': 10,
    },
    'rome-sev-disabled-kernel-6.1-libvirt-9.0': {},
    INTEL: {},
    TDX: {'intel-tdx': 31},
    'tdx-disabled-kernel-6.16-libvirt-11.6': {},
}


def root(name):
    return HostFilesystem(DIRECTORY / name)


def capabilities_text(name):
    return (DIRECTORY / name / 'domcapabilities.xml').read_text()


def facts(name):
    gathered = gather(
        root(name),
        capabilities=[
            parse_domain_capabilities(capabilities_text(name), name)
        ],
    )
    assert gathered.errors == ()
    return gathered.facts


def result(finding):
    """Return status and code of what a check found, two None for nothing."""
    if finding is None:
        return None, None
    # The catalogue has words for these values, and they are one line.
    subject = {'model': 'm', 'other': 'o', 'option': 'x'}
    note = Note(finding.code, {**subject, **finding.values})
    assert str(note).isprintable()
    return finding.status, finding.code


def outcome(function, *arguments):
    """Return what a function returns, or None and its line of error."""
    try:
        return function(*arguments), ''
    except InputError as error:
        return None, str(error)
