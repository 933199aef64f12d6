"""Real servers for tests, on loopback, in directories, without root."""
