"""What a request breaks: one function a rule."""

from sev_scheduling.rules.actions import check_action
from sev_scheduling.rules.validation import usable_models, validate

__all__ = [
    'check_action',
    'usable_models',
    'validate',
]
