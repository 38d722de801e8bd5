"""Reading `orchestrator.toml`: its tables, its layers, and the values that they make."""
