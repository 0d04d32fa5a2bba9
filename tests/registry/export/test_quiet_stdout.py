"""Standard output while a library prints past Python."""

import os
import subprocess
import sys

from tsugiki.export.quiet_stdout import quiet_stdout


def test_what_is_written_to_the_file_descriptor_is_dropped(capfd):
    print("before")
    with quiet_stdout():
        os.write(1, b"graph")
    print("after")
    assert capfd.readouterr().out == "before\nafter\n"


def test_a_closed_standard_output_is_left_closed():
    program = "import os; os.close(1)\nfrom tsugiki.export.quiet_stdout import quiet_stdout\nwith quiet_stdout(): pass"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stderr == ""
