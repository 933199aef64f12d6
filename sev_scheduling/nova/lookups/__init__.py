"""Look-ups, shared by filter, request filter and weigher."""

from sev_scheduling.nova.lookups.answers import Answers
from sev_scheduling.nova.lookups.deadline import Deadline
from sev_scheduling.nova.lookups.lookups import Held, Lookups, shared_lookups
from sev_scheduling.nova.lookups.providers import Providers
from sev_scheduling.nova.lookups.servers import StoredServer, stored_server
from sev_scheduling.nova.lookups.slots import Slots

__all__ = [
    'Answers',
    'Deadline',
    'Held',
    'Lookups',
    'Providers',
    'Slots',
    'StoredServer',
    'shared_lookups',
    'stored_server',
]
