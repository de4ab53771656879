"""What a unit test cannot show: the real server, nginx and PostgreSQL, killed, frozen, filled up and raced.

`make faults` runs it; every fault is a function whose docstring says what is done and what must be.
"""
