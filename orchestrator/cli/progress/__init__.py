"""What can be seen of runs while they are under way."""
