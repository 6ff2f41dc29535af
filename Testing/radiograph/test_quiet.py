"""Text that C libraries print stays away from the user."""

from __future__ import annotations

import os
import threading

from FluoroSAMSlicerLib.radiograph.quiet import libraries_silent


def test_what_libraries_print_goes_nowhere_and_ours_comes_through(capfd):
    os.write(2, b"before ")
    with libraries_silent(), libraries_silent():
        os.write(2, b"library")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_threads_that_decode_at_once_leave_stderr_as_it_was(capfd):
    def decode():
        for _ in range(50):
            with libraries_silent():
                os.write(2, b"library")

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"ours")
    assert capfd.readouterr().err == "ours"


def test_a_failure_inside_leaves_stderr_as_it_was(capfd):
    try:
        with libraries_silent():
            raise ValueError
    except ValueError:
        os.write(2, b"ours")
    assert capfd.readouterr().err == "ours"
