"""What holds for all tests: the helpers in ``support`` and the benchmarks hold none."""

collect_ignore_glob = ["support/*", "benchmarks/*"]
