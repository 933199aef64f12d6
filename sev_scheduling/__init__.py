"""Place memory-encrypted guests on the right OpenStack hosts.

``flavor + image -> parse -> EncryptionRequest -> validate -> Problems ->
translate -> PlacementRequest -> candidates -> Hosts -> judge -> Verdicts ->
Explanation``
"""

from sev_scheduling.diagnosis import (
    Cause,
    Constraint,
    Diagnosis,
    Shortfall,
)
from sev_scheduling.exceptions import (
    CloudFileError,
    InputError,
    InvalidRequest,
    ModelError,
    NoCapacity,
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
from sev_scheduling.explain.explanation import Explanation, explain
from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.hosts.hostfilter import (
    FilterResult,
    Verdict,
    VerdictCode,
    filter_hosts,
    judge,
)
from sev_scheduling.models import EncryptionModel, registered_models
from sev_scheduling.prefilter import PlacementRequest, translate
from sev_scheduling.problems import Code, Problem, Severity
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.request.request import EncryptionRequest, parse
from sev_scheduling.rules.actions import check_action
from sev_scheduling.rules.validation import validate

__all__ = [
    'Cause',
    'CloudFileError',
    'Code',
    'Constraint',
    'Diagnosis',
    'EncryptionModel',
    'EncryptionRequest',
    'Explanation',
    'FilterResult',
    'Host',
    'InputError',
    'InvalidRequest',
    'ModelError',
    'NoCapacity',
    'PlacementAnswerError',
    'PlacementConflict',
    'PlacementDenied',
    'PlacementError',
    'PlacementRefused',
    'PlacementRequest',
    'PlacementTooOld',
    'PlacementUnavailable',
    'Problem',
    'RequestGroup',
    'SevSchedulingError',
    'Severity',
    'Shortfall',
    'SlotPool',
    'SpecError',
    'Verdict',
    'VerdictCode',
    'check_action',
    'explain',
    'filter_hosts',
    'judge',
    'parse',
    'registered_models',
    'translate',
    'validate',
]
