"""The rules of the product as plain values and pure functions.

Standard library only; nothing here touches a disk, a network, a clock, the environment or chance.
"""
