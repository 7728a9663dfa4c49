"""nbdicom against other implementations, on real sockets of the loopback interface: ``python -m tests.interop``."""
