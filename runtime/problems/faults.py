"""What is wrong with a package, each fault with the path of its file."""

import msgspec

#: A package in which everything is wrong shall not get an answer without end.
MOST_FAULTS = 100


class Fault(msgspec.Struct, frozen=True):
    """One fault; `path` is inside the package, and empty where the package itself is meant."""

    path: str
    message: str


class PackageError(Exception):
    """The package cannot be used; `faults` has everything that is wrong with it, at most `MOST_FAULTS`."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.path or 'package'}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)


class Faults:
    """Collects faults, so that one answer names all of them."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, path: str, message: str) -> None:
        """Notes what is wrong with the file or folder at `path`."""
        fault = Fault(path.encode(errors="backslashreplace").decode(), message)
        if len(self.found) < MOST_FAULTS and fault not in self.found:
            self.found.append(fault)

    def raise_if_any(self) -> None:
        """Raises PackageError with every fault so far."""
        if self.found:
            raise PackageError(self.found)
