"""The walls around one program: Landlock, seccomp, resource limits, identity, and what this host can enforce.

Only the standard library is imported here, and of it as little as possible: these modules are also loaded into
the interpreter that student programs are forked from, where each import would cost memory and start-up time.
"""
