"""The project on a local cloud of the test's own: no account, no Docker. Run it as ``pytest``."""


def test_the_endpoint_answers_its_golden_cases(orchestrator_endpoint, orchestrator_golden_case):
    orchestrator_endpoint.check(orchestrator_golden_case)
