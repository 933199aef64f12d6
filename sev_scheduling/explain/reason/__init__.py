"""The reasons why a request cannot be placed, each with its words."""
