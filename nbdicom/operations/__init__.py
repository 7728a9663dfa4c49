"""DIMSE services as generators, SCU and SCP, written once for every driver (PS3.7 and PS3.4).

An operation yields one of the five effects of `nbdicom.operations.effects` and receives the answer; it never does any
input or output itself.  `scu` has the invoking side, `scp` the performing side, `requests` the values that both sides give
to people, `handlers` what a person provides to be an SCP.
"""
