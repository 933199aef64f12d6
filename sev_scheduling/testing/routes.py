"""Every call that the in-memory Placement answers."""

from __future__ import annotations

import re

from sev_scheduling.testing import consumer_calls, provider_calls
from sev_scheduling.testing.calls import Handler

_ONE = '/resource_providers/([^/]+)'

_PATHS: dict[str, dict[str, Handler]] = {
    '/resource_providers': {
        'GET': provider_calls.list_providers,
        'POST': provider_calls.create_provider,
    },
    _ONE: {
        'GET': provider_calls.show_provider,
        'DELETE': provider_calls.delete_provider,
    },
    f'{_ONE}/inventories': {
        'GET': provider_calls.show_inventories,
        'PUT': provider_calls.set_inventories,
    },
    f'{_ONE}/usages': {'GET': provider_calls.show_usages},
    f'{_ONE}/traits': {
        'GET': provider_calls.show_traits,
        'PUT': provider_calls.set_traits,
    },
    f'{_ONE}/aggregates': {
        'GET': provider_calls.show_aggregates,
        'PUT': provider_calls.set_aggregates,
    },
    f'{_ONE}/allocations': {'GET': provider_calls.list_held},
    '/traits': {'GET': provider_calls.list_traits},
    '/traits/([^/]+)': {
        'GET': provider_calls.show_trait,
        'PUT': provider_calls.create_trait,
    },
    '/resource_classes/([^/]+)': {'PUT': provider_calls.create_class},
    '/allocations': {'POST': consumer_calls.set_consumers},
    '/allocations/([^/]+)': {
        'GET': consumer_calls.show_consumer,
        'PUT': consumer_calls.set_consumer,
        'DELETE': consumer_calls.delete_consumer,
    },
    '/allocation_candidates': {'GET': consumer_calls.list_candidates},
}

ROUTES = [(re.compile(path), methods) for path, methods in _PATHS.items()]
