"""What every test may rely on."""

import signal

# A shell that starts the tests in the background leaves Ctrl-C ignored, for them and for all that they start; tests of
# Ctrl-C need it as a terminal has it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
