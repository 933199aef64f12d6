"""Switches on the fixtures fake_placement and placement_client."""

pytest_plugins = ['sev_scheduling.testing.plugin']
