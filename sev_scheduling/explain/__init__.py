"""The only words: facts become text here."""

from sev_scheduling.explain.explanation import Explanation, explain
from sev_scheduling.explain.reason import Reason

__all__ = ['Explanation', 'Reason', 'explain']
