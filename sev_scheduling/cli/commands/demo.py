"""The command ``demo``."""

from __future__ import annotations

import argparse
import importlib.resources

from sev_scheduling.cli.output import Plain


class Demo(Plain):
    """Place guests on a cloud of some forty hosts, and tell the story

    Loads examples/cloud.yaml into a real Placement, in this process and on
    a temporary database, and tells for each guest what was asked, what
    Placement was sent, what the hosts said, and where the guest went or why
    nowhere.

    Example::

        $ sev-scheduling demo
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        # Placement and its libraries are needed by this command alone.
        from sev_scheduling.cli.commands.story import GUESTS, Story
        from sev_scheduling.placement import (
            embedded_placement,
            load_cloud,
            read_cloud_file,
        )

        examples = importlib.resources.files('sev_scheduling') / 'examples'
        with (
            importlib.resources.as_file(examples) as folder,
            embedded_placement() as adapter,
        ):
            load_cloud(adapter, read_cloud_file(folder / 'cloud.yaml'))
            story = Story(adapter, folder, self.app.stdout)
            story.begin()
            for guest in GUESTS:
                story.tell(guest)
            story.end()
