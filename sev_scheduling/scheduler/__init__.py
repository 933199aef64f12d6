"""What of nova-scheduler's configuration decides over encrypted guests."""
