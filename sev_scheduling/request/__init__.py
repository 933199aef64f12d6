"""What a flavor and an image ask for: ``parse()`` and its parts."""

from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.request.parsing import parse
from sev_scheduling.request.request import EncryptionRequest, as_boolean

__all__ = [
    'EncryptionRequest',
    'RequestGroup',
    'as_boolean',
    'parse',
]
