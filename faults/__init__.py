"""Fault injection: kill, freeze, fill up and race the real server, nginx and PostgreSQL.

Run by `make faults`. Each fault is a function; its docstring states the fault and the expected outcome.
"""
