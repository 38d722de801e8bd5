"""What has to be there before a worker starts: its folder, its packages, the next state of its sources."""
