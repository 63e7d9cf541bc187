"""Generated workflows and placements, held against a plain interpreter and against Python."""
