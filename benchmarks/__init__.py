"""Benchmarks: nbdicom, pynetdicom, DCMTK and Orthanc side by side, on the same data in the same run.

Each side is a process of its own (`sides`).  A workload (`workloads`) names contenders, which are pairs of a requestor and
an acceptor; `rounds` runs them in turn, again and again, so that whatever else the machine does meets all of them, and
takes medians of the ratios of each round.  The raw limit is one of the contenders: plain sockets that do the same traffic
without DICOM.  `python -m benchmarks` prints and writes JSON; `python -m benchmarks.page` makes docs/performance.md of it.
"""
