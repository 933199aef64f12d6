from sev_scheduling import Code, Problem, Severity


def problem(severity):
    return Problem(Code.HOST_DEVICE, severity, 'request', 'It is so.', 'Do.')


def test_a_problem_is_one_line_of_text():
    assert str(problem(Severity.ERROR)) == 'error: It is so. Do.'
    assert str(problem(Severity.WARNING)) == 'warning: It is so. Do.'


def test_an_error_refuses_and_a_warning_does_not():
    assert problem(Severity.ERROR).is_error
    assert not problem(Severity.WARNING).is_error


def test_codes_and_severities_are_their_own_text():
    assert problem(Severity.ERROR).code == 'host-device'
    assert Severity('error') is Severity.ERROR


def test_codes_are_frozen():
    assert [str(code) for code in Code] == [
        'invalid-boolean',
        'encryption-conflict',
        'unknown-model',
        'model-conflict',
        'model-without-encryption',
        'firmware-not-uefi',
        'firmware-not-stateless',
        'machine-type-not-q35',
        'machine-type-unset',
        'architecture-unsupported',
        'disk-bus-unsupported',
        'cdrom-bus-unsupported',
        'video-device-present',
        'host-device',
        'trait-conflict',
        'trait-without-encryption',
        'explicit-slot',
        'invalid-resource-request',
        'action-unsupported',
        'rebuild-needs-slot',
        'rebuild-changes-model',
        'rescue-drops-encryption',
    ]
