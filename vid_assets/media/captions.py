"""CEA-608 closed captions, carried in the pictures of broadcasts (A/53) or in a track of their own.

Each field carries two channels: CC1 and CC2 in the first, CC3 and CC4 in the second. A pop-on caption is prepared
off-screen and shown at once. Roll-up captions end line by line. Paint-on captions end as a whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_BASIC = {
    0x2A: "á", 0x5C: "é", 0x5E: "í", 0x5F: "ó", 0x60: "ú", 0x7B: "ç", 0x7C: "÷", 0x7D: "Ñ", 0x7E: "ñ", 0x7F: "█",
}  # fmt: skip
_SPECIAL = "®°½¿™¢£♪à èâêîôû"
_EXTENDED = {
    2: "ÁÉÓÚÜü‘¡*'—©℠•“”ÀÂÇÈÊËëÎÏïÔÙùÛ«»",
    3: "ÃãÍÌìÒòÕõ{}\\^_|~ÄäÖöß¥¤¦ÅåØø┌┐└┘",
}
_POP_ON, _BACKSPACE, _DELETE_ROW, _PAINT_ON, _ERASE, _RETURN, _ERASE_HIDDEN, _SHOW = (
    0x20, 0x21, 0x24, 0x29, 0x2C, 0x2D, 0x2E, 0x2F,
)  # fmt: skip
_ROLL_UP = (0x25, 0x26, 0x27)
# Row of a preamble address code, by the low three bits of its first byte and bit 5 of the second.
_ROWS = ((11, 11), (1, 2), (3, 4), (12, 13), (14, 15), (5, 6), (7, 8), (9, 10))
LINE = 200


class Caption(NamedTuple):
    """One caption: channel 1 to 4, start and end in seconds on the file's own timeline, text."""

    channel: int
    start: float
    end: float
    text: str


@dataclass(slots=True)
class _Channel:
    """The two memories of one channel; each maps a row to its text."""

    mode: str = ""
    row: int = 15
    shown: dict[int, str] = field(default_factory=dict)
    hidden: dict[int, str] = field(default_factory=dict)
    since: float = 0.0

    @property
    def memory(self) -> dict[int, str]:
        """Return the memory that characters go to."""
        return self.hidden if self.mode == "pop_on" else self.shown

    def write(self, text: str, time: float) -> None:
        if not self.mode:
            return
        if self.memory is self.shown and not any(self.shown.values()):
            self.since = time
        self.memory[self.row] = (self.memory.get(self.row, "") + text)[:LINE]

    def back(self) -> None:
        self.memory[self.row] = self.memory.get(self.row, "")[:-1]

    def take(self) -> str:
        """Return what is shown, and clear it."""
        lines = [" ".join(self.shown[row].split()) for row in sorted(self.shown)]
        self.shown = {}
        return "\n".join(line for line in lines if line)


class Captions:
    """Decodes the captions of one track."""

    def __init__(self) -> None:
        self._channels = {number: _Channel() for number in (1, 2, 3, 4)}
        self._current = [1, 3]
        self._last: list[tuple[int, int] | None] = [None, None]

    def add(self, data: bytes, time: float) -> Iterator[Caption]:
        """Take the captions of one picture; yield those that end with it.

        Args:
            data: Triplets of A/53 or CEA-708: flags, and two bytes with parity.
            time: Time of the picture, in seconds.
        """
        for start in range(0, len(data) - 2, 3):
            flags, first, second = data[start] & 7, data[start + 1] & 0x7F, data[start + 2] & 0x7F
            if flags in (4, 5) and (first or second):
                yield from self._pair(flags - 4, first, second, time)

    def flush(self, time: float) -> Iterator[Caption]:
        """Yield the captions that are still shown at the end."""
        for number in self._channels:
            yield from self._end(number, time)

    def _pair(self, line: int, first: int, second: int, time: float) -> Iterator[Caption]:
        if 0x10 <= first <= 0x1F:
            # Control codes are sent twice; ignore the second.
            again = self._last[line] == (first, second)
            self._last[line] = None if again else (first, second)
            if not again:
                self._current[line] = 1 + 2 * line + (first >> 3 & 1)
                yield from self._control(self._current[line], first & 7, second, time)
        elif first >= 0x20:
            self._last[line] = None
            text = "".join(_BASIC.get(code, chr(code)) for code in (first, second) if code >= 0x20)
            self._channels[self._current[line]].write(text, time)

    def _control(self, number: int, first: int, second: int, time: float) -> Iterator[Caption]:
        channel = self._channels[number]
        if second >= 0x40:
            channel.row = _ROWS[first][second >> 5 & 1]
        elif first == 1 and second >= 0x20:
            channel.write(_SPECIAL[second - 0x30] if second >= 0x30 else " ", time)
        elif first in _EXTENDED and second >= 0x20:
            channel.back()
            channel.write(_EXTENDED[first][second - 0x20], time)
        elif first == 7 and second in (0x21, 0x22, 0x23):
            channel.write(" ", time)
        elif first in (4, 5):
            yield from self._command(number, second, time)

    def _command(self, number: int, command: int, time: float) -> Iterator[Caption]:
        channel = self._channels[number]
        if command == _POP_ON:
            channel.mode = "pop_on"
        elif command in _ROLL_UP or command == _PAINT_ON:
            if channel.mode == "pop_on" or command == _PAINT_ON:
                yield from self._end(number, time)
            channel.mode = "paint_on" if command == _PAINT_ON else "roll_up"
        elif command in (_RETURN, _ERASE):
            yield from self._end(number, time)
        elif command == _ERASE_HIDDEN:
            channel.hidden = {}
        elif command == _SHOW:
            yield from self._end(number, time)
            channel.mode, channel.since = "pop_on", time
            channel.shown, channel.hidden = channel.hidden, {}
        elif command == _DELETE_ROW:
            channel.memory.pop(channel.row, None)
        elif command == _BACKSPACE:
            channel.back()

    def _end(self, number: int, time: float) -> Iterator[Caption]:
        channel = self._channels[number]
        if text := channel.take():
            yield Caption(number, channel.since, time, text)
