"""Ctrl-C reaches the processes that tests start, also where the tests themselves run in the background.

A shell without job control lets its background jobs ignore SIGINT, and their children inherit that.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
