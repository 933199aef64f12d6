"""Place memory-encrypted guests on the right OpenStack hosts.

``flavor + image -> parse -> EncryptionRequest -> validate -> Problems ->
translate -> PlacementRequest -> candidates -> Hosts -> judge -> Verdicts ->
Explanation``

Names are loaded when they are first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

# Now: a package of the same name would hide it if it were imported later.
from sev_scheduling.explain import explain

if TYPE_CHECKING:
    from sev_scheduling.diagnosis import (
        Cause,
        Constraint,
        Diagnosis,
        Feasibility,
        Shortfall,
    )
    from sev_scheduling.exceptions import (
        CloudDenied,
        CloudError,
        CloudFileError,
        InputError,
        InvalidRequest,
        ModelError,
        NoCapacity,
        NotOwned,
        PlacementAnswerError,
        PlacementConflict,
        PlacementDenied,
        PlacementError,
        PlacementRefused,
        PlacementTooOld,
        PlacementUnavailable,
        SevSchedulingError,
        SpecError,
    )
    from sev_scheduling.explain.explanation import Explanation
    from sev_scheduling.explain.reason.reason import Reason
    from sev_scheduling.hosts.host import Host, SlotPool
    from sev_scheduling.hosts.hostfilter import filter_hosts, judge
    from sev_scheduling.hosts.verdict import FilterResult, Verdict, VerdictCode
    from sev_scheduling.models import EncryptionModel, registered_models
    from sev_scheduling.prefilter import PlacementRequest, Scope, translate
    from sev_scheduling.problems import (
        Code,
        Field,
        Fix,
        Problem,
        Severity,
        merge,
    )
    from sev_scheduling.request.groups import RequestGroup
    from sev_scheduling.request.parsing import parse
    from sev_scheduling.request.request import EncryptionRequest
    from sev_scheduling.rules.actions import check_action
    from sev_scheduling.rules.rule import Rule
    from sev_scheduling.rules.validation import Validation, validate

__all__ = [
    'Cause',
    'CloudDenied',
    'CloudError',
    'CloudFileError',
    'Code',
    'Constraint',
    'Diagnosis',
    'EncryptionModel',
    'EncryptionRequest',
    'Explanation',
    'Feasibility',
    'Field',
    'FilterResult',
    'Fix',
    'Host',
    'InputError',
    'InvalidRequest',
    'ModelError',
    'NoCapacity',
    'NotOwned',
    'PlacementAnswerError',
    'PlacementConflict',
    'PlacementDenied',
    'PlacementError',
    'PlacementRefused',
    'PlacementRequest',
    'PlacementTooOld',
    'PlacementUnavailable',
    'Problem',
    'Reason',
    'RequestGroup',
    'Rule',
    'Scope',
    'SevSchedulingError',
    'Severity',
    'Shortfall',
    'SlotPool',
    'SpecError',
    'Validation',
    'Verdict',
    'VerdictCode',
    'check_action',
    'explain',
    'filter_hosts',
    'judge',
    'merge',
    'parse',
    'registered_models',
    'translate',
    'validate',
]

#: Public name -> the module that defines it.
_HOME = {
    name: module
    for module, names in {
        'diagnosis': (
            *('Cause', 'Constraint', 'Diagnosis', 'Feasibility', 'Shortfall'),
        ),
        'exceptions': (
            *('CloudDenied', 'CloudError', 'CloudFileError', 'InputError'),
            *('InvalidRequest', 'ModelError', 'NoCapacity', 'NotOwned'),
            *('PlacementAnswerError', 'PlacementConflict', 'PlacementDenied'),
            *('PlacementError', 'PlacementRefused', 'PlacementTooOld'),
            *('PlacementUnavailable', 'SevSchedulingError', 'SpecError'),
        ),
        'explain.explanation': ('Explanation',),
        'explain.reason.reason': ('Reason',),
        'hosts.host': ('Host', 'SlotPool'),
        'hosts.hostfilter': ('filter_hosts', 'judge'),
        'hosts.verdict': ('FilterResult', 'Verdict', 'VerdictCode'),
        'models': ('EncryptionModel', 'registered_models'),
        'prefilter': ('PlacementRequest', 'Scope', 'translate'),
        'problems': ('Code', 'Field', 'Fix', 'Problem', 'Severity', 'merge'),
        'request.groups': ('RequestGroup',),
        'request.parsing': ('parse',),
        'request.request': ('EncryptionRequest',),
        'rules.actions': ('check_action',),
        'rules.rule': ('Rule',),
        'rules.validation': ('Validation', 'validate'),
    }.items()
    for name in names
}

if not TYPE_CHECKING:
    # A checker of types would take any name for one that exists.

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f'module {__name__!r} has no {name!r}')
        module = importlib.import_module(f'{__name__}.{_HOME[name]}')
        value = globals()[name] = getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
