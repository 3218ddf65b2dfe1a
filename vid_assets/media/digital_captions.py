"""CEA-708 closed captions, the digital successor of CEA-608; most broadcasts send both.

Each service writes into up to eight windows. A window's text counts from when it becomes visible until it is hidden,
cleared or deleted. A line that a carriage return pushes up in a visible window ends at that moment.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from vid_assets.media.captions import LINE, Caption

WINDOWS = 8
# Number of bytes after each control code of set C1.
_FOLLOW = dict(zip(range(0x80, 0xA0), [0] * 8 + [1] * 6 + [0, 0, 2, 3, 2, 0, 0, 0, 0, 4] + [6] * 8, strict=True))
_CLEAR, _DISPLAY, _HIDE, _TOGGLE, _DELETE, _RESET, _LOCATION = 0x88, 0x89, 0x8A, 0x8B, 0x8C, 0x8F, 0x92
_BACKSPACE, _FORM_FEED, _RETURN, _ROW_RETURN, _EXTENDED, _WIDE = 0x08, 0x0C, 0x0D, 0x0E, 0x10, 0x18
_SIGNS = {
    0x20: " ", 0x21: " ", 0x25: "…", 0x2A: "Š", 0x2C: "Œ", 0x30: "█", 0x31: "‘", 0x32: "’", 0x33: "“", 0x34: "”",
    0x35: "•", 0x39: "™", 0x3A: "š", 0x3C: "œ", 0x3D: "℠", 0x3F: "Ÿ",
}  # fmt: skip


@dataclass(slots=True)
class _Window:
    """One window: its rows, and since when its text is visible."""

    visible: bool = False
    row: int = 0
    rows: dict[int, str] = field(default_factory=dict)
    since: float = 0.0

    def write(self, text: str, time: float) -> None:
        if self.visible and not any(self.rows.values()):
            self.since = time
        self.rows[self.row] = (self.rows.get(self.row, "") + text)[:LINE]

    def take(self) -> str:
        lines = [" ".join(self.rows[row].split()) for row in sorted(self.rows)]
        self.rows = {}
        return "\n".join(line for line in lines if line)


@dataclass(slots=True)
class _Service:
    """The windows of one service."""

    number: int
    windows: list[_Window] = field(default_factory=lambda: [_Window() for _ in range(WINDOWS)])
    current: int = 0

    def read(self, data: bytes, time: float) -> Iterator[Caption]:
        """Process one block of codes."""
        at = 0
        while at < len(data):
            code, at = data[at], at + 1
            window = self.windows[self.current]
            if code == _EXTENDED:
                at = self._extended(data, at, window, time)
            elif code < 0x20:
                yield from self._simple(code, window, time)
                at += 2 if code >= _WIDE else 1 if code > _EXTENDED else 0
            elif 0x80 <= code < 0xA0:
                operands = data[at : at + _FOLLOW[code]]
                at += _FOLLOW[code]
                yield from self._control(code, operands, time)
            else:
                window.write("♪" if code == 0x7F else chr(code), time)

    def _simple(self, code: int, window: _Window, time: float) -> Iterator[Caption]:
        if code == _BACKSPACE:
            window.rows[window.row] = window.rows.get(window.row, "")[:-1]
        elif code == _FORM_FEED:
            yield from self._end(window, time)
            window.row = 0
        elif code == _RETURN:
            if window.visible:
                yield from self._end(window, time)
            else:
                window.row += 1
        elif code == _ROW_RETURN:
            window.rows.pop(window.row, None)

    def _extended(self, data: bytes, at: int, window: _Window, time: float) -> int:
        """Take one code of the extended sets; return where the next code begins."""
        if at >= len(data):
            return at
        code, at = data[at], at + 1
        if 0x20 <= code < 0x80:
            window.write(_SIGNS.get(code, "_"), time)
        return at + (code // 8 if code < 0x20 else 4 + (code - 0x80) // 8 if 0x80 <= code < 0x90 else 0)

    def _control(self, code: int, operands: bytes, time: float) -> Iterator[Caption]:
        if code < _CLEAR:
            self.current = code & 7
        elif code in (_CLEAR, _DISPLAY, _HIDE, _TOGGLE, _DELETE) and operands:
            for number, window in enumerate(self.windows):
                if operands[0] >> number & 1:
                    yield from self._change(code, window, time)
        elif code == _RESET:
            yield from self.flush(time)
        elif code == _LOCATION and operands:
            self.windows[self.current].row = operands[0] & 15
        elif code >= 0x98 and operands:
            self.current = code & 7
            yield from self._show(self.windows[self.current], bool(operands[0] & 0x20), time)

    def _change(self, code: int, window: _Window, time: float) -> Iterator[Caption]:
        if code in (_CLEAR, _DELETE):
            yield from self._end(window, time)
        shown = {_DISPLAY: True, _HIDE: False, _TOGGLE: not window.visible, _DELETE: False}
        yield from self._show(window, shown.get(code, window.visible), time)

    def _show(self, window: _Window, visible: bool, time: float) -> Iterator[Caption]:
        if visible and not window.visible:
            window.since = time
        elif window.visible and not visible:
            yield from self._end(window, time)
        window.visible = visible

    def _end(self, window: _Window, time: float) -> Iterator[Caption]:
        """Empty a window; yield its text as a caption if it was visible."""
        text = window.take()
        if text and window.visible:
            yield Caption(self.number, window.since, time, text)

    def flush(self, time: float) -> Iterator[Caption]:
        """End the captions that are shown."""
        for window in self.windows:
            yield from self._end(window, time)
            window.visible = False


class DigitalCaptions:
    """Decodes the CEA-708 captions of one track."""

    def __init__(self) -> None:
        self._services: dict[int, _Service] = {}
        self._packet = b""

    def add(self, data: bytes, time: float) -> Iterator[Caption]:
        """Take the triplets of one picture, as `Captions.add` does."""
        for start in range(0, len(data) - 2, 3):
            flags = data[start] & 7
            if flags == 7:
                self._packet = b""
            if flags in (6, 7) and (flags == 7 or self._packet):
                self._packet += data[start + 1 : start + 3]
                yield from self._complete(time)

    def _complete(self, time: float) -> Iterator[Caption]:
        """Read the packet if it is complete."""
        size = (self._packet[0] & 63) * 2 or 128
        if len(self._packet) < size:
            return
        body, self._packet, at = self._packet[1:size], b"", 0
        while at < len(body):
            number, length, at = body[at] >> 5, body[at] & 31, at + 1
            if number == 7 and length and at < len(body):
                number, at = body[at] & 63, at + 1
            if number:
                service = self._services.setdefault(number, _Service(number))
                yield from service.read(body[at : at + length], time)
            at += length

    def flush(self, time: float) -> Iterator[Caption]:
        """Yield the captions that are still shown at the end."""
        for service in self._services.values():
            yield from service.flush(time)
