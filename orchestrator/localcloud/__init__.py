"""The embedded AWS: moto, what it lacks, and a data plane that really serves.

One front application (`front`) looks at each request in this order: the data plane (`runtime`), the
SageMaker operations that are ours (`control`, with its rules in `records` and `endpoints`), and moto for
everything else (`fallback`). What a user starts and stops is `lifecycle`, which imports nothing heavy.
"""
