"""The kinds of resources that a stack can have, by the services that make them."""
