"""What two programs said to each other, in the form of the package format's sample interactions."""

_MOST_BYTES = 32 << 10
_CUT = "..."


class Transcript:
    """Lines with `<` before what came from the judge's program, and `>` before what came from the submission.

    At most `_MOST_BYTES` of both are kept, and passes are separated by `---`.
    """

    def __init__(self) -> None:
        self._parts: list[tuple[str, bytearray]] = []
        self._left = _MOST_BYTES
        self._is_cut = False

    def add(self, sign: str, data: bytes) -> None:
        """Notes what was said; `sign` is `<` or `>`."""
        kept = data[: self._left]
        self._left -= len(kept)
        self._is_cut = self._is_cut or len(kept) < len(data)
        if not kept:
            return
        if self._parts and self._parts[-1][0] == sign:
            self._parts[-1][1].extend(kept)
        else:
            self._parts.append((sign, bytearray(kept)))

    def next_pass(self) -> None:
        """Another pass begins."""
        self._parts.append(("---", bytearray()))

    def text(self) -> str:
        """The whole of it. What is no UTF-8 is replaced; a line that came in two pieces, with an answer between, is two."""
        lines = []
        for sign, data in self._parts:
            said = data.decode(errors="replace").removesuffix("\n").split("\n") if data else [""]
            lines += [f"{sign}{line}" for line in said]
        if self._is_cut:
            lines.append(_CUT)
        return "".join(f"{line}\n" for line in lines)
