"""What a finding puts into the templates of the catalogue."""
