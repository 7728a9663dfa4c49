"""The hospital around the archive: worklist, procedure steps, workitems, commitment, and the reports about them.

`database` keeps it all, `attributes` compares and answers data sets; `worklist` (PS3.4 Annex K), `mpps` (F),
`availability` (R), `commitment` (J) and `workitems` (CC, with `subscriptions`) are the services, each a `service`, and
`services` leads a request to its own;
`reports` delivers N-EVENT-REPORTs until they arrive.
"""
