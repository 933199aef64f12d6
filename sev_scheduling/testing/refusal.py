"""How the in-memory Placement says no."""

from __future__ import annotations


class Refusal(Exception):
    """A request that Placement answers with a status of 4xx."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        self.detail = detail
        super().__init__(f'{status}: {detail}')
