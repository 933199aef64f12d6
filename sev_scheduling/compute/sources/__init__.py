"""Where the facts of a compute host come from, a module each."""
