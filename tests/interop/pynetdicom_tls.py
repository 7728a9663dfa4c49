"""pynetdicom with TLS, in a process of its own; nothing of nbdicom is imported here.

python pynetdicom_tls.py {scp|scu} PORT CA CERTIFICATE KEY
"""

from __future__ import annotations

import ssl
import sys

from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

role, port, ca, certificate, key = sys.argv[1:6]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if role == "scp" else ssl.PROTOCOL_TLS_CLIENT)
context.verify_mode = ssl.CERT_REQUIRED
context.load_verify_locations(ca)
context.load_cert_chain(certificate, key)
ae = AE("PYNETDICOM")
if role == "scp":
    ae.add_supported_context(Verification)
    handlers = [(evt.EVT_C_ECHO, lambda event: 0x0000)]
    ae.start_server(("127.0.0.1", int(port)), block=True, ssl_context=context, evt_handlers=handlers)
else:
    ae.add_requested_context(Verification)
    assoc = ae.associate("127.0.0.1", int(port), ae_title="NBDICOM", tls_args=(context, "localhost"))
    print(assoc.send_c_echo().Status if assoc.is_established else "no association")
    assoc.release()
