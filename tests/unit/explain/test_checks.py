"""The words about a compute host."""

import ast
import re
import string

import pytest

import sev_scheduling.explain.checks  # noqa: F401 (has the words)
from sev_scheduling.explain.catalogue import NOTES, compute
from sev_scheduling.hosts.check import (
    Check,
    CheckKind,
    Note,
    NoteCode,
    Status,
)
from tests.house import our_house

HOUSE = our_house()
SEV_ES = {'model': 'amd-sev-es', 'other': 'amd-sev-snp'}


def test_every_code_and_kind_has_its_row():
    assert set(NOTES) == set(NoteCode)
    assert set(compute.CHECKS) == set(CheckKind)


@pytest.mark.parametrize('code', NoteCode)
def test_every_row_is_rendered(code):
    row = NOTES[code]
    fields = {
        field
        for text in row
        for _, field, _, _ in string.Formatter().parse(text)
        if field
    }

    said = str(Note(code, dict.fromkeys(fields, 7)))

    assert said.count('7') >= len(fields)
    assert not {'{', '}'} & {*said}
    assert row.advice == '' or said.endswith('.')


@pytest.mark.parametrize(
    ('kind', 'values', 'name'),
    [
        (CheckKind.PROCESSOR, {}, 'Processor'),
        (CheckKind.EXCLUSION, SEV_ES, 'SEV-ES beside SEV-SNP'),
        (CheckKind.FIRMWARE, SEV_ES, 'UEFI firmware for amd-sev-es'),
        (CheckKind.SLOTS_OPTION, {'option': 'num_x'}, 'num_x'),
    ],
)
def test_a_check_is_named(kind, values, name):
    check = Check(kind, Status.SUCCESS, Note(NoteCode.KERNEL_ON, values))

    assert check.name == name


ES_OFF = Note(
    NoteCode.PARAMETER_OFF,
    {'path': '/sys/module/kvm_amd/parameters/sev_es', 'model': 'amd-sev-es'},
)
DISPUTED = Note(
    NoteCode.SOURCES_DISAGREE,
    {'model': 'amd-sev', 'numbers': {'cgroup': 906, 'libvirt': 996}},
)


@pytest.mark.parametrize(
    ('code', 'values', 'words'),
    [
        pytest.param(
            NoteCode.QEMU_TOO_OLD,
            {'version': (7, 2, 0), 'least': (8, 0, 0)},
            'QEMU 7.2.0 is too old; nova needs 8.0.0',
            id='versions',
        ),
        pytest.param(
            NoteCode.EXCLUDED,
            {**SEV_ES, 'source': 'CVE-2025-48514'},
            'it must not run beside amd-sev-snp (CVE-2025-48514)',
            id='a reason',
        ),
        pytest.param(
            NoteCode.EXCLUDED,
            {**SEV_ES, 'source': ''},
            'it must not run beside amd-sev-snp',
            id='a reason that nobody gave',
        ),
        pytest.param(
            NoteCode.HOST_SLOTS_UNKNOWN,
            {'slots': {'amd-sev': 410, 'amd-sev-es': None}},
            'Slots: amd-sev 410, amd-sev-es unknown. Use libvirt 8.0 or '
            'later, or a kernel with the misc cgroup controller, so that '
            'nova counts them.',
            id='numbers, one unknown',
        ),
        pytest.param(
            NoteCode.HOST_SLOTS_DISPUTED,
            {'slots': {'amd-sev': 906}, 'reasons': (DISPUTED,)},
            'Slots: amd-sev 906. amd-sev: sources disagree, the smallest '
            'counts: cgroup 906, libvirt 996. Restart libvirt, which keeps '
            'what it once found.',
            id='a note in a note',
        ),
        pytest.param(
            NoteCode.HOST_OFFERS_NONE,
            {'reasons': (ES_OFF, DISPUTED)},
            'The host offers no model. amd-sev-es: '
            '/sys/module/kvm_amd/parameters/sev_es is N; amd-sev: sources '
            'disagree, the smallest counts: cgroup 906, libvirt 996.',
            id='two notes in a note',
        ),
        pytest.param(
            NoteCode.KERNEL_ON,
            {'models': ('amd-sev', 'amd-sev-snp')},
            'Switched on: amd-sev, amd-sev-snp.',
            id='names',
        ),
        pytest.param(
            NoteCode.EXCLUSION_OFFERED,
            {
                **SEV_ES,
                'source': 'CVE-2025-48514',
                'release': 33,
                'hidden_since': 34,
                'parameters': ('kvm_amd.sev_snp=0',),
            },
            'amd-sev-es guests must not run beside amd-sev-snp '
            '(CVE-2025-48514), and both are switched on; nova 33 offers '
            'amd-sev-es all the same. Upgrade nova to 34, or set '
            'kvm_amd.sev_snp=0.',
            id='two models that exclude each other',
        ),
        pytest.param(
            NoteCode.VIRT_TYPE_OTHER,
            {'value': 'l\x1b\nxc'},
            r'[libvirt] virt_type is l\u001b\nxc. Set it to kvm, with which '
            'alone guests can be encrypted.',
            id='characters that nobody prints',
        ),
        pytest.param(
            NoteCode.SUM_REGION,
            {'kib': 128, 'region': 'pc.rom'},
            '   128 KiB  pc.rom',
            id='a term of a sum',
        ),
    ],
)
def test_the_words_of_a_note(code, values, words):
    assert str(Note(code, values)) == words


def test_what_a_row_lacks_is_not_made_up():
    with pytest.raises(KeyError):
        str(Note(NoteCode.KERNEL_ON))


@pytest.mark.parametrize(
    'module',
    [
        module
        for module in sorted(HOUSE.trees)
        if module.startswith('sev_scheduling.compute')
    ],
)
def test_the_compute_part_makes_no_sentences(module):
    """Only errors of input have words there."""
    tree = HOUSE.trees[module]
    allowed = set()
    for node in ast.walk(tree):
        error = isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            'Error'
        )
        if error or isinstance(node, ast.Expr):
            allowed |= {id(inner) for inner in ast.walk(node)}

    assert [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in allowed
        and re.search('[a-z]{2,} [a-z]{2,}', node.value)
        # A value of ``node reserve``, in its JSON too.
        and node.value != 'slots and memory'
    ] == []
