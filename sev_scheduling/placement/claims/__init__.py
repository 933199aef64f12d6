"""Claims: room for guests on hosts, taken, moved, found and freed.

Placement decides: a claim of several guests is one ``POST /allocations``,
which it takes whole or not at all, and its generations refuse a claim that
rests on an old answer. Such a claim is made anew, from a new answer, after a
pause that grows and varies. A client may die, or lose the answer, at any
moment: what it claimed is whole or absent, and :mod:`.consumers` finds it.
"""
