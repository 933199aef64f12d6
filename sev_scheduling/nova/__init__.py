"""The nova-scheduler plug-in: a host filter, a request filter, a weigher.

Nothing else in this package imports nova.
"""

from sev_scheduling.nova.filter import MemoryEncryptionFilter
from sev_scheduling.nova.weigher import MemoryEncryptionWeigher

__all__ = ['MemoryEncryptionFilter', 'MemoryEncryptionWeigher']
