"""What all contract tests share."""

from tests.statements import share_compiled_statements

share_compiled_statements()
