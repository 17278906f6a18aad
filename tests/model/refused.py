"""Why something is not taken."""

# The names that the document gives. Every other refusal is just that, whatever a program calls it.
NAMED = {"FORK", "STALE", "GAP", "IDENTITY", "ROLLBACK", "REPEATED"}
# A reader too old for a group says so. Whatever else it does not support is refused like anything that is wrong.
TOO_OLD = "TOO OLD"


class Refused(Exception):
    """Something from outside that is not taken. Nothing has changed."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}")
        self.name = name
        self.why = why

    @property
    def known_name(self) -> str:
        """The name as known answers have it."""
        if self.name == TOO_OLD:
            return "UNSUPPORTED"
        return self.name if self.name in NAMED else "REFUSED"


def require(condition: bool, why: str, name: str = "MALFORMED") -> None:
    if not condition:
        raise Refused(name, why)
