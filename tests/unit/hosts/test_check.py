import pytest

import sev_scheduling.explain.checks  # noqa: F401
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import (
    Check,
    CheckKind,
    Entry,
    Note,
    NoteCode,
    NotRead,
    Status,
    failure,
    run_checks,
    success,
    warning,
)


def test_the_statuses_are_those_of_nova_status():
    assert [*Status] == [0, 1, 2]


@pytest.mark.parametrize(
    ('values', 'model'),
    [({'model': 'amd-sev', 'path': '/a'}, 'amd-sev'), ({'path': '/a'}, None)],
)
def test_a_check_knows_what_it_is_about(values, model):
    note = Note(NoteCode.FIRMWARE_FOUND, values)
    check = Check(CheckKind.FIRMWARE, Status.SUCCESS, note)

    assert (check.code, check.model) == (NoteCode.FIRMWARE_FOUND, model)
    assert check.details == str(note) == note.message == '/a.'
    assert note.advice == ''


def test_notes_can_be_compared_and_put_into_sets():
    note = Note(NoteCode.KERNEL_ON, {'models': ('amd-sev',)})

    assert note == Note(NoteCode.KERNEL_ON, {'models': ('amd-sev',)})
    assert note != Note(NoteCode.KERNEL_ON)
    assert len({note, Note(NoteCode.KERNEL_ON)}) == 2


def bad_input(report):
    raise InputError('one line')


def not_read(report):
    raise NotRead('one line')


def test_checks_run_in_order_whatever_one_of_them_meets():
    results = run_checks(
        'a report',
        [
            Entry(
                CheckKind.FIRMWARE,
                lambda report: success(NoteCode.FIRMWARE_FOUND, path='/a'),
                {'model': 'amd-sev'},
            ),
            Entry(CheckKind.KERNEL, bad_input),
            Entry(CheckKind.LIBVIRT, lambda report: None),
            Entry(
                CheckKind.VIRT_TYPE,
                not_read,
            ),
            Entry(
                CheckKind.SLOTS,
                lambda report: warning(NoteCode.HOST_SLOTS_DISPUTED),
            ),
            Entry(
                CheckKind.CPU,
                lambda report: failure(NoteCode.CPU_MODELS_EMPTY),
            ),
        ],
    )

    assert [(r.kind, r.status, r.code, r.model) for r in results] == [
        (
            CheckKind.FIRMWARE,
            Status.SUCCESS,
            NoteCode.FIRMWARE_FOUND,
            'amd-sev',
        ),
        (CheckKind.KERNEL, Status.FAILURE, NoteCode.UNUSABLE_INPUT, None),
        (
            CheckKind.SLOTS,
            Status.WARNING,
            NoteCode.HOST_SLOTS_DISPUTED,
            None,
        ),
        (CheckKind.CPU, Status.FAILURE, NoteCode.CPU_MODELS_EMPTY, None),
    ]
    assert results[0].note.values == {'model': 'amd-sev', 'path': '/a'}
    assert results[1].note.values == {'error': 'one line'}
