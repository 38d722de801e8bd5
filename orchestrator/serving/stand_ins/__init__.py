"""What stands in for packages of the container that an archive imports and this machine may not have."""
