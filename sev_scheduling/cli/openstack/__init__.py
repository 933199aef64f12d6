"""What a user sees of an OpenStack cloud, and may change."""

from sev_scheduling.cli.openstack.changes import make_changes
from sev_scheduling.cli.openstack.cloud import OpenStackCloud

__all__ = ['OpenStackCloud', 'make_changes']
