"""The real Placement service in this process, and clouds to fill it with."""

from sev_scheduling.placement.embedded.cloud import (
    Cloud,
    CloudHost,
    CloudProvider,
)
from sev_scheduling.placement.embedded.cloud_file import (
    parse_cloud,
    read_cloud_file,
)
from sev_scheduling.placement.embedded.export import (
    anonymous,
    document,
    export_cloud,
)
from sev_scheduling.placement.embedded.load import (
    cloud_providers,
    guests_of,
    load_cloud,
    providers_of,
)
from sev_scheduling.placement.embedded.service import (
    EmbeddedAdapter,
    embedded_placement,
)

__all__ = [
    'Cloud',
    'CloudHost',
    'CloudProvider',
    'EmbeddedAdapter',
    'anonymous',
    'cloud_providers',
    'document',
    'embedded_placement',
    'export_cloud',
    'guests_of',
    'load_cloud',
    'parse_cloud',
    'providers_of',
    'read_cloud_file',
]
