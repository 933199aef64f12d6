from sev_scheduling.compute.checks.report import (
    Entry,
    HostReport,
    failure,
    run_checks,
    success,
    warning,
)
from sev_scheduling.compute.detection import HostEvidence
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.check import CheckKind, NoteCode, Status


def bad_input(report):
    raise InputError('one line')


def test_checks_run_in_order_whatever_one_of_them_meets():
    results = run_checks(
        HostReport(facts=HostEvidence()),
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
                lambda report: report.settings and None,
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
