"""``python -m FluoroSAMSlicerLib``: the command line."""

from FluoroSAMSlicerLib.cli import main

if __name__ == "__main__":
    main(prog_name="fluorosam")
