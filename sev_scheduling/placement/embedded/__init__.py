"""The real Placement service in this process, and clouds to fill it with."""

from sev_scheduling.placement.embedded.cloud_file import (
    Cloud,
    CloudHost,
    parse_cloud,
    read_cloud_file,
)
from sev_scheduling.placement.embedded.load import load_cloud, providers_of
from sev_scheduling.placement.embedded.service import (
    EmbeddedAdapter,
    embedded_placement,
)

__all__ = [
    'Cloud',
    'CloudHost',
    'EmbeddedAdapter',
    'embedded_placement',
    'load_cloud',
    'parse_cloud',
    'providers_of',
    'read_cloud_file',
]
