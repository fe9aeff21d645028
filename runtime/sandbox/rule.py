"""What one row of the table of system calls says: which calls, under which conditions, what is answered, and why."""

#: The kernel carries the call out.
ALLOW = "allow"
#: The supervisor decides, or does it.
NOTIFY = "supervisor"
#: Nothing is done, and the call succeeds.
NOTHING = "nothing, as success"


class When:
    """One condition on an argument: `kind` is `==`, `!=`, `bits` (any is set), `pointer` (not null) or `>=` (64 bits)."""

    __slots__ = ("argument", "kind", "mask", "value")

    def __init__(self, argument: int, kind: str, value: int = 0, mask: int = 0xFFFFFFFF) -> None:
        """`mask` is laid over the argument first, for `==` and `!=`."""
        self.argument = argument
        self.kind = kind
        self.value = value
        self.mask = mask

    def __str__(self) -> str:
        """The condition in words, for the documentation."""
        name = f"argument {self.argument + 1}"
        if self.kind == "pointer":
            return f"{name} is not null"
        masked = "" if self.mask == 0xFFFFFFFF else f" & {self.mask:#x}"
        shown = -1 if self.value == 0xFFFFFFFF else hex(self.value) if self.value > 255 else self.value
        return f"{name} & {self.value:#x}" if self.kind == "bits" else f"{name}{masked} {self.kind} {shown}"


class Rule:
    """What is answered to some calls: `answer` is an errno's name or one of the above; every condition must hold."""

    __slots__ = ("answer", "calls", "reason", "when")

    def __init__(self, calls: str, answer: str, reason: str, *when: When) -> None:
        """`calls` are names, separated by spaces; `reason` says which attack the rule stops."""
        self.calls = calls.split()
        self.answer = answer
        self.reason = reason
        self.when = when
