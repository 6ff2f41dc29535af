"""Qt as Slicer's Python has it, made of PySide6: properties are attributes, signals are connected by their
signature, a misspelt signal answers False, unknown attributes cannot be set.

Whatever the module's own files use of a widget is written down in ``USED`` as (class, member).
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from types import ModuleType

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

MODULE = str(Path(__file__).resolve().parents[2] / "FluoroSAMSlicer")
USED: set[tuple[str, str]] = set()
CONNECTED: set[tuple[str, str]] = set()
# Getters that are virtual: Qt asks Python for them wherever a class has something of that name.
VIRTUAL = {"sizeHint", "minimumSizeHint", "QProgressBar.text", "QVBoxLayout.spacing", "QHBoxLayout.spacing"}


def _asked_by_the_module(name: str) -> bool:
    """Whether a line of the module has this name; Qt looks for overridden functions on its behalf too."""
    code = sys._getframe(2).f_code
    return code.co_filename.startswith(MODULE) and name in code.co_names


def _property(name: str, writable: bool) -> property:
    def read(self):
        return QtCore.QObject.property(self, name)

    def write(self, value):
        if not writable:
            raise AttributeError(f"{name} can only be read")
        QtCore.QObject.setProperty(self, name, value)

    return property(read, write)


class PythonQt:
    """What PythonQt adds to every Qt object. ``SIGNALS`` are those with types that only Slicer has:
    ``emitted(signature, *args)`` calls who is connected to them."""

    SIGNALS: tuple[str, ...] = ()

    def __init_subclass__(cls, **named) -> None:
        super().__init_subclass__(**named)
        # PySide prefers its own methods of these names to those of any base.
        cls.connect, cls.disconnect = PythonQt.connect, PythonQt.disconnect

    def __getattribute__(self, name: str):
        if not name.startswith("_") and _asked_by_the_module(name) and not _own(type(self), name):
            USED.add((qt_name(type(self)), name))
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value) -> None:
        if qt_name(type(self)) == type(self).__name__ and _asked_by_the_module(name):
            USED.add((qt_name(type(self)), name))
            if not isinstance(getattr(type(self), name, None), property):
                raise AttributeError(f"creating new attributes on a {type(self).__name__} is not allowed")
        super().__setattr__(name, value)

    def connect(self, signature: str, slot) -> bool:
        CONNECTED.add((qt_name(type(self)), signature))
        if signature in self.SIGNALS:
            self.__dict__.setdefault(signature, []).append(slot)
            return True
        normal = QtCore.QMetaObject.normalizedSignature(signature)
        meta = self.metaObject()
        index = meta.indexOfSignal(normal.data().decode())
        if index < 0:
            return False
        count = meta.method(index).parameterCount()
        assert count < 2, f"{signature}: not needed so far"
        signal = getattr(self, signature.split("(")[0])
        if "(QString)" in signature and "activated" in signature:
            signal = signal[str]

        # PySide asks a callable how many arguments it takes.
        call = (lambda: slot()) if count == 0 else (lambda first: slot(first))

        signal.connect(call)
        self._connections().append((signature, slot, signal, call))
        return True

    def emitted(self, signature: str, *args) -> None:
        for slot in self.__dict__.get(signature, ()):
            slot(*args)

    def disconnect(self, signature: str, slot) -> bool:
        for one in self._connections():
            if one[:2] == (signature, slot):
                one[2].disconnect(one[3])
                self._connections().remove(one)
                return True
        return False

    def _connections(self) -> list:
        return self.__dict__.setdefault("__connections", [])


def qt_name(kind: type) -> str:
    """The name of the Qt class behind a class, which may be one that the module derived."""
    return _qt_class(kind).__name__


def _qt_class(kind: type) -> type:
    return next(base for base in kind.__mro__ if base.__dict__.get("_isQt"))


def _own(kind: type, name: str) -> bool:
    """Whether a class that the module derived from Qt's defines this name itself."""
    return any(name in vars(base) for base in kind.__mro__[: kind.__mro__.index(_qt_class(kind))])


@functools.cache
def pythonqt(base: type) -> type:
    """``base`` of PySide6 in PythonQt's style."""
    meta = base.staticMetaObject
    content: dict = {"_isQt": True, "__module__": "qt"}
    for number in range(meta.propertyCount()):
        one = meta.property(number)
        if not VIRTUAL & {one.name(), f"{base.__name__}.{one.name()}"}:
            content[one.name()] = _property(one.name(), one.isWritable())
    if base is QtWidgets.QFileDialog:
        for name in ("getOpenFileName", "getSaveFileName"):
            content[name] = staticmethod(lambda *args, name=name: getattr(base, name)(*args)[0])
    return type(base.__name__, (PythonQt, base), content)


class QtModule(ModuleType):
    """``import qt``: the classes of three modules under one name."""

    def __getattr__(self, name: str):
        for module in (QtWidgets, QtGui, QtCore):
            found = getattr(module, name, None)
            if found is not None:
                is_object = isinstance(found, type) and issubclass(found, QtCore.QObject)
                return pythonqt(found) if is_object else found
        raise AttributeError(f"module 'qt' has no attribute {name!r}")


class Loader(QtUiTools.QUiLoader):
    """Makes the widgets of a form from PythonQt's classes and from stand-ins."""

    def __init__(self, stand_ins: dict[str, type]) -> None:
        super().__init__()
        self._stand_ins = stand_ins

    def createWidget(self, kind: str, parent=None, name: str = ""):
        made = (self._stand_ins.get(kind) or pythonqt(getattr(QtWidgets, kind)))(parent)
        QtCore.QObject.setObjectName(made, name)
        return made

    def form(self, path: str):
        made = self.load(path)
        if made is None:
            raise RuntimeError(f"{path}: {self.errorString()}")
        return made
