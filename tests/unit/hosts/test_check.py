import pytest

import sev_scheduling.explain.checks  # noqa: F401
from sev_scheduling.hosts.check import (
    Check,
    CheckKind,
    Note,
    NoteCode,
    Status,
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
