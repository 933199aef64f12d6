"""SQL that is compiled once in a process, not once for each database.

SQLAlchemy keeps compiled statements for each engine. Tests make a database in
memory each, and would spend a sixth of their time on compiling the same
statements of nova and Placement anew.
"""

from __future__ import annotations

import functools

from sqlalchemy import event
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.util import LRUCache

# Nova and Placement together have more than the 500 of one engine.
_SIZE = 5000


@functools.cache
def share_compiled_statements() -> None:
    """Share what is compiled for SQLite among all engines of this process.

    Statements are kept by dialect, which each engine has of its own. Those of
    SQLite compile alike: nova and Placement set no option of theirs.
    """
    SQLiteDialect_pysqlite.__eq__ = lambda self, other: (  # type: ignore
        type(self) is type(other)
    )
    SQLiteDialect_pysqlite.__hash__ = lambda self: hash(  # type: ignore
        type(self)
    )
    compiled = LRUCache(_SIZE)

    @event.listens_for(Engine, 'engine_connect')
    def keep(connection: Connection) -> None:
        if isinstance(connection.dialect, SQLiteDialect_pysqlite):
            connection.execution_options(compiled_cache=compiled)
