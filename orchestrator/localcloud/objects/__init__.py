"""S3's objects as files, so that one of several GB is never in memory.

moto keeps what is known of an object: its key, versions, tags, metadata. What is in it is a
`content.Content`, pieces of files on disk. Bodies pass moto by on their way in and out (`passing`): it sees a
reference in their place (`keys`).
"""
