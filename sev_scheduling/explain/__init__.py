"""The only words: facts become text here."""

from sev_scheduling.explain.explanation import Explanation, Reason, explain
from sev_scheduling.explain.fixes import merge

__all__ = ['Explanation', 'Reason', 'explain', 'merge']
