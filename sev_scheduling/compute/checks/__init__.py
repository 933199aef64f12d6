"""What a compute host still needs before it can run encrypted guests."""
