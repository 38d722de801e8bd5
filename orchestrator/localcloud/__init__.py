"""The embedded AWS: what SageMaker does is ours, everything else is moto's with what it lacks.

::

    server, lifecycle, wanted, access     the process, its options, who is let in
    killed                                what one that ended by itself has left to go on with
    ending                                how it is ended, even if it does not answer
    ground, assembly, renewing            what it stands on, its parts put together, and put together again
    front, wire, own                      where a request goes; forms on the wire; what is below /_local
    world, worlds, keeping                what there is, as values; the present one; and on disk
    rules                                 what may be asked, and how one world follows from another
    control                               from the name of an operation and its JSON to the answer
    fleets, dataplane                     processes that serve models; requests on their way to them and back
    deploying, autoscaling, transforms    what goes on in the background
    cloudwatch, announcing, gauges        metrics, alarms and events
    objects, behind                       S3; moto and what it lacks
    faulting, console                     what goes wrong on demand; the page
    testing                               local clouds for others' tests
"""
