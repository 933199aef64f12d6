"""The directive that prints every text of a catalogue once, to be read."""

import string
from collections.abc import Iterator, Mapping
from typing import Any

from codeexamples import found_in
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from sev_scheduling import Diagnosis, Problem
from sev_scheduling.explain import capacity, catalogue
from sev_scheduling.explain.values.causes import cause_values
from sev_scheduling.explain.values.naming import Count
from sev_scheduling.explain.values.problems import (
    problem_values,
    verdict_values,
)

MODULES = {
    **{
        name: getattr(catalogue, name)
        for name in catalogue.__all__
        if name.islower()
    },
    'capacity': capacity,
}

#: What stands in place of the values where no example has them.
VALUES: dict[str, Any] = {
    'about': '',
    'amount': 10000,
    'amounts': '10000 kbit/s egress',
    'answers': '',
    'architecture': 'x86_64=q35',
    'askers': 'm1.sev',
    'base': 8192,
    'best': 4096,
    'best_host': 'epyc-01',
    'classes': 'MEMORY_MB',
    'clauses': 'it boots with UEFI',
    'command': 'openstack image set --property hw_machine_type=q35 '
    'ubuntu-24.04',
    'constraint': 'MEMORY_MB',
    'count': 4,
    'element': 'sev',
    'end': ':',
    'entry': 'q35',
    'error': 'Permission denied',
    'es': 99,
    'excluded_by': 'amd-sev-snp',
    'family': 'EPYC-Milan',
    'feature': 'amd-sev-es',
    'figures': 'MEMORY_MB: 8192 asked for, at most 4096 left on one host '
    '(epyc-01)',
    'each': 8192,
    'if_empty': '',
    'limits': '',
    'never': '',
    'shared_by': 'ceph',
    'files': 'OVMF_CODE.fd',
    'finding': 'no firmware for UEFI guests is found.',
    'first': 1,
    'fit': 3,
    'fixed': '2025.2',
    'format': 'qcow2',
    'free': 12,
    'guest': 'amd-sev guest',
    'guests': 15,
    'has': 'has no hw_firmware_type',
    'hidden_since': '2026.1',
    'host': 'epyc-01',
    'hosts': 'epyc-01',
    'hypervisors': 'VMware',
    'image': 'image',
    'is_set': 'is not set',
    'it': 'it',
    'kernel': 4096,
    'key': 'hw_firmware_type',
    'keys': 'hw_firmware_type=uefi',
    'kib': 2048,
    'label': 'a free amd-sev slot',
    'last': 2147483647,
    'least': '8.2',
    'least_libvirt': '11.1.0',
    'least_qemu': '8.2.0',
    'left': 65536,
    'libvirt': '10.0.0',
    'limit': 98304,
    'listed': 'amd-sev, amd-sev-es',
    'machine_type': 'pc',
    'mb': 2048,
    'missing': 4096,
    'mode': 'host-model',
    'model': 'amd-sev',
    'model_name': 'AMD SEV',
    'models': 'amd-sev',
    'more': 7,
    'name': 'MEMORY_MB',
    'names': 'epyc-01, epyc-02',
    'needed': 23552,
    'needs': 'q35',
    'needs_hypervisors': 'qemu or kvm',
    'nobody': 'neither m1.sev nor ubuntu-24.04 asks',
    'numbers': 'sev 15, misc.capacity 14',
    'option': 'num_memory_encrypted_guests',
    'other': 'flavor m1.sev',
    'other_key': 'hw:mem_encryption_model',
    'other_name': 'q35',
    'other_value': "'amd-sev-es'",
    'others': 'set hw_machine_type = x86_64=q35 in nova.conf',
    'owner': 'image ubuntu-24.04',
    'parameter': 'kvm_amd.sev_es',
    'parameters': 'kvm_amd.sev=1',
    'path': '/etc/nova/nova.conf',
    'properties': 'property hw_firmware_stateless=true of image ubuntu-24.04',
    'qemu': '8.1.0',
    'ratio': 1.5,
    'ratios': '1.5',
    'reasons': 'kvm_amd.sev is 0',
    'region': 'firmware',
    'release': '2025.1',
    'removed': '2026.1',
    'requested': 8192,
    'reserved': 512,
    'room': 65536,
    'sectype': 'tdx',
    'sev': 15,
    'share': 0,
    'short': 4096,
    'since': '2025.2',
    'secure_path': 'OVMF_CODE.secboot.fd',
    'slots': 'maxGuests',
    'slots_total': 60,
    'slots_used': 60,
    'source': ' (CVE-2025-48514)',
    'such': 'hosts with a free amd-sev slot',
    'such_host': 'host with a free amd-sev slot',
    'such_hosts': '4 hosts with a free amd-sev slot',
    'switches': 'kvm_amd.sev is 0',
    'target': 'the image',
    'tenant_names': 'MEMORY_MB',
    'text': 'overcommit memory (ram_allocation_ratio 1.5)',
    'these': 'these hosts',
    'total': 60,
    'traits': 'HW_CPU_X86_AMD_SEV',
    'usable': 15,
    'used': 15,
    'value': "'pc'",
    'values': 'x86_64',
    'version': '8.1.0',
    'virt_type': 'qemu',
    'what': 'property hw_firmware_type',
    'who': 'extra spec hw:mem_encryption of flavor m1.sev',
    'words': 'mem_encrypt=off',
}


_BY_CODE = ('PROBLEMS', 'VERDICTS', 'CAUSES')


def texts(module: Any) -> Iterator[tuple[str, str, str]]:
    """Yield table, key and template of every text of a module."""
    for table, value in vars(module).items():
        if not table.strip('_').isupper() or _is_imported(module, table):
            continue
        if isinstance(value, str):
            yield table, '', value
        elif isinstance(value, dict):
            for key, row in value.items():
                parts = key if isinstance(key, tuple) else (key,)
                name = ' '.join(str(part) for part in parts if str(part))
                for text in _of(row):
                    yield table, name, text


def _is_imported(module: Any, table: str) -> bool:
    return any(
        module is not shared and hasattr(shared, table)
        for shared in (catalogue.rows, catalogue.fixes)
    )


def _of(row: Any) -> Iterator[str]:
    if isinstance(row, str):
        yield row
    elif isinstance(row, tuple) and not hasattr(row, '_fields'):
        yield from (text for text in row if isinstance(text, str) and text)
    else:
        names = getattr(row, '_fields', None) or row.__slots__
        found = (getattr(row, name) for name in names)
        yield from (text for text in found if isinstance(text, str) and text)


class Values(dict[str, Any]):
    """Stands in for a value that no example has."""

    def __missing__(self, name: str) -> str:
        return f'<{name}>'


def values_of(code: str) -> Mapping[str, Any]:
    """Return the values of the example of a code, if there is one."""
    found: dict[str, Any] = {}
    for _, explanation in found_in(code):
        for reason in explanation.reasons:
            finding = reason.finding
            if isinstance(finding, Problem):
                found |= problem_values(finding)
            elif isinstance(finding, Diagnosis):
                found |= cause_values(finding)
            else:
                found |= verdict_values(finding)
    return {key: value for key, value in found.items() if value != ''}


def rendered(template: str, code: str = '') -> list[str]:
    """Return a text as it is read: of one and of two, where they differ.

    :param code: whose example has the values
    """
    counts = {
        name
        for _, name, spec, _ in string.Formatter().parse(template)
        if name and '|' in (spec or '')
    }
    values = {**VALUES, **values_of(code)}
    made = (
        template.format_map(
            Values(values | dict.fromkeys(counts | {'n'}, Count(number)))
        )
        for number in (1, 2)
    )
    return list(dict.fromkeys(made))


class EveryText(SphinxDirective):
    """``.. every-text:: hosts``: the texts of a module, by table."""

    required_arguments = 1

    def run(self):
        found: dict[str, dict[str, list[str]]] = {}
        subject = self.arguments[0]
        for table, key, template in texts(MODULES[subject]):
            row = found.setdefault(table, {}).setdefault(key, [])
            code = key.partition(' ')[0]
            row += rendered(template, code if table in _BY_CODE else '')
        sections = []
        for table, rows in found.items():
            section = nodes.section(
                names=[table], ids=[f'text-{subject}-{table}']
            )
            section += nodes.title(text=table.strip('_'))
            listed = nodes.definition_list()
            for key, lines in rows.items():
                item = nodes.definition_list_item()
                term = nodes.term()
                term += nodes.literal(text=key or table.strip('_'))
                words = nodes.definition()
                words += [nodes.paragraph(text=line) for line in lines]
                item += [term, words]
                listed += item
            section += listed
            sections.append(section)
        return sections


def setup(app):
    app.add_directive('every-text', EveryText)
    return {'parallel_read_safe': True}
