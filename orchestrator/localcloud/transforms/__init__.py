"""Batch transform: jobs that read objects of S3, ask a model about what is in them, and write the answers.

`jobs` are the rules, as pure functions of a world. `splitting`, `jsonpath` and `joining` say what of an
object goes to the model and what comes of the answer, and know neither S3 nor processes; `sources` and
`depot` know which objects there are and where their outputs go, `invoking` how the model is asked.
`transforming` does one object and `running` whole jobs.
"""
