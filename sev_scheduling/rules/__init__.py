"""What a request breaks: one row a rule."""

from sev_scheduling.rules.actions import check_action
from sev_scheduling.rules.rule import Rule
from sev_scheduling.rules.validation import (
    MODEL_RULES,
    PLAIN_RULES,
    REQUEST_RULES,
    Validation,
    validate,
)

__all__ = [
    'MODEL_RULES',
    'PLAIN_RULES',
    'REQUEST_RULES',
    'Rule',
    'Validation',
    'check_action',
    'validate',
]
