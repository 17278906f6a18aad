"""Random bytes from a script, so that two implementations can be given the same ones."""


class Coins:
    """What is drawn, in the order it is drawn."""

    def __init__(self, script: bytes) -> None:
        self.script = script
        self.drawn = 0

    def draw(self, length: int) -> bytes:
        assert self.drawn + length <= len(self.script), "the script has too few coins"
        self.drawn += length
        return self.script[self.drawn - length : self.drawn]

    @property
    def left(self) -> int:
        return len(self.script) - self.drawn
