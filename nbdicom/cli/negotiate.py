"""``nbdicom negotiate``: what a peer accepts, as a table; nothing is asked for but the association."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from textwrap import fill

from nbdicom.cli.parser import settings_of
from nbdicom.cli.records import write_records
from nbdicom.core.negotiation import ContextLike, NegotiatedContext, PresentationContext, context_of
from nbdicom.errors import LocalProtocolError
from nbdicom.peer.contexts import COMMON_STORAGE
from nbdicom.peer.entity import DEFAULT_CONTEXTS, RemoteEntity
from nbdicom.table import counted

__all__ = ["run"]

_WIDTH = 118  #: characters, as of a table
#: What is proposed where nothing is named: the services of an archive and of an information system, and what archives hold.
_USUAL: tuple[ContextLike, ...] = (
    *DEFAULT_CONTEXTS,
    "ModalityWorklistInformationModelFind",
    "ModalityPerformedProcedureStep",
    "StorageCommitmentPushModel",
    "UnifiedProcedureStepPush",
    *COMMON_STORAGE,
)


def run(options: argparse.Namespace) -> int:
    """Propose the contexts, release the association, and print what was answered to each."""
    contexts = [_proposed(text, options.scp) for text in options.context] or list(map(context_of, _USUAL))
    with RemoteEntity(options.peer, **settings_of(options)).associate(contexts) as association:
        negotiation = association.negotiation
    if options.shape is not None:
        write_records(list(map(_record, negotiation.contexts)), options.shape)
    elif options.context:
        print(negotiation)
    else:
        # A table of all that a peer does not have would hide what it has.
        print(replace(negotiation, contexts=negotiation.accepted))
        refused: dict[str, list[str]] = {}
        for context in negotiation.contexts:
            if not context.accepted:
                refused.setdefault(context.result_in_words, []).append(context.abstract_syntax.name)
        for words, names in refused.items():
            print(fill(f"refused, {words}: {'; '.join(dict.fromkeys(names))}", _WIDTH, subsequent_indent="    "))
    missing = len(negotiation.contexts) - len(negotiation.accepted)
    # Of the usual ones nobody accepts all; whoever names some wants them.
    if not negotiation.accepted or (options.context and missing):
        count = counted(len(negotiation.contexts), "presentation context")
        print(f"nbdicom: error: the peer refused {missing} of {count}", file=sys.stderr)
        return 1
    return 0


def _proposed(text: str, scp: bool) -> PresentationContext:
    """``SOPClass`` or ``SOPClass=TransferSyntax,TransferSyntax``."""
    name, equals, syntaxes = text.partition("=")
    try:
        context = context_of((name, syntaxes.split(",")) if equals else name)
    except ValueError as error:
        raise LocalProtocolError(str(error), hint="write SOPClass or SOPClass=TransferSyntax,TransferSyntax") from None
    if not scp:
        return context
    return PresentationContext(context.abstract_syntax, context.transfer_syntaxes, scu_role=True, scp_role=True)


def _record(context: NegotiatedContext) -> dict[str, object]:
    proposed: Sequence[str] = [str(syntax) for syntax in context.proposed]
    return {
        "context_id": context.context_id,
        "abstract_syntax": str(context.abstract_syntax),
        "name": context.abstract_syntax.name,
        "proposed": list(proposed),
        "accepted": context.accepted,
        "result": int(context.result),
        "result_in_words": context.result_in_words,
        "transfer_syntax": str(context.transfer_syntax) if context.accepted and context.transfer_syntax else None,
    }
