"""Place memory-encrypted guests on the right OpenStack hosts.

``flavor + image -> parse -> EncryptionRequest -> validate -> Problems ->
translate -> PlacementRequest -> candidates -> Hosts -> judge -> Verdicts ->
Explanation``
"""

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
from sev_scheduling.explain.explanation import Explanation, explain
from sev_scheduling.explain.reason import Reason
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
from sev_scheduling.request.request import EncryptionRequest, parse
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
