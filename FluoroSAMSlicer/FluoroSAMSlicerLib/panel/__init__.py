"""What the user sees in Slicer: the tabs of the module and their background work. Qt and nothing numerical.

Every class gets what it works with through its constructor, so that tests can press the real buttons.
Signals are connected by their signature and properties are read as attributes, as PythonQt has them.
"""
