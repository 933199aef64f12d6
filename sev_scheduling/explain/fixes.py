"""Fixes in words: the exact command where one does it."""

from __future__ import annotations

from sev_scheduling.explain import catalogue
from sev_scheduling.explain.values import fix_values, sentence
from sev_scheduling.problems import Fix, Target, message


def phrase(fix: Fix) -> str:
    """Return a fix as it follows "or": a command, a change or advice."""
    command = fix.command()
    if command:
        return command
    if fix.target is None:
        return _advice(fix)
    return brief(fix)


def brief(fix: Fix) -> str:
    """Return such as ``set hw_disk_bus=virtio on image u``."""
    if fix.target is None:
        return _advice(fix)
    template = catalogue.CHANGES[fix.target, bool(fix.set)]
    return template.format_map(fix_values(fix))


def _advice(fix: Fix) -> str:
    if fix.advice is None:
        return ''
    return catalogue.ADVICE[fix.advice].format_map(fix_values(fix))


@message.register
def fix_text(fix: Fix) -> str:
    """Return a command alone as it is, everything else as a sentence."""
    text = phrase(fix)
    if fix.alternatives:
        others = ' or '.join(map(phrase, fix.alternatives))
        return f'{text} (or {others})'
    if text and fix.target in (None, Target.HOST):
        return f'{sentence(text)}.'
    return text
