"""How what was asked of an endpoint is carried out: fleets that come, traffic that moves, fleets that go."""
