"""The attributes of an object as they are, to be put back if a change fails: those of its dictionary, and those of its slots.

Shallow: what is changed inside a value stays changed.
"""

from types import MemberDescriptorType
from typing import Final

__all__ = ["Attributes"]

_MISSING: Final = object()


class Attributes:
    """Of one object, at the moment this is made."""

    def __init__(self, of: object) -> None:
        self._of: Final = of
        self._class: Final = type(of)
        self._values: Final = dict(getattr(of, "__dict__", {}))
        self._slots: Final = {slot: _value(slot, of) for slot in _slots(type(of))}

    def put_back(self) -> None:
        """The class, too."""
        self._of.__class__ = self._class
        if self._values or hasattr(self._of, "__dict__"):
            vars(self._of).clear()
            vars(self._of).update(self._values)
        for slot, value in self._slots.items():
            if value is not _MISSING:
                slot.__set__(self._of, value)
            elif _value(slot, self._of) is not _MISSING:
                slot.__delete__(self._of)


def _slots(kind: type) -> list[MemberDescriptorType]:
    return [each for one in kind.__mro__ for each in vars(one).values() if isinstance(each, MemberDescriptorType)]


def _value(slot: MemberDescriptorType, of: object) -> object:
    try:
        return slot.__get__(of)
    except AttributeError:
        return _MISSING
