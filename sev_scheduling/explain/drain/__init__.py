"""The words of plans to empty hosts."""
