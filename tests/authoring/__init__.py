"""What users write, called directly: plain Python in memory."""
