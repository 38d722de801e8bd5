"""The console page at ``/_local``: what it looks like, and what it is told."""
