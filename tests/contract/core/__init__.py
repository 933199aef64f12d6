"""The core against the real nova, openstacksdk and Placement."""
