"""The Synthesize tab."""
