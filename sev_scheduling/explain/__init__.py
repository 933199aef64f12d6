"""The only words: facts become text here.

Importing this is cheap; the catalogue is loaded when it is first needed.
"""

from sev_scheduling.explain.entry import explain

__all__ = ['explain']
