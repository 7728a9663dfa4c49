"""Bytes beside what they mean: any PDU, item, command set, data set or element taken apart (PS3.8 9.3, PS3.7 E, PS3.5 7).

The fields come from `annotate` and `annotate_command` of the core and from `placed_elements`; nothing is declared here.
In a notebook the fields light up their bytes, and the bytes their field, by CSS alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from nbdicom import privacy
from nbdicom.core import pdu as p
from nbdicom.core.command import Message, annotate_command, decode_command, encode_command
from nbdicom.core.extended import in_short, options_of
from nbdicom.core.layout import Span
from nbdicom.errors import DataSetError, RemoteProtocolError
from nbdicom.table import Table, Tabular, printable
from nbdicom.trace.page import page
from nbdicom.trace.words import field_name, value_in_words
from nbdicom.uids import UID
from nbdicom.vr import is_private_creator

if TYPE_CHECKING:
    import pandas

    from nbdicom.data.placed import PlacedElement

__all__ = ["Dissection", "Field", "command_set", "data_set", "dissect", "pdu"]

_T = TypeVar("_T")
_MOST_SHOWN = 2048  #: bytes of the hexdump of a notebook
_MOST_FIELDS = 400  #: rows beside it
_UNDEFINED = 0xFFFFFFFF
_LINE = 16
_HEX = 6  #: bytes of a field in a line of text
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its bytes from ``start`` to ``stop``, its name, value in words, and the standard's table for it."""

    start: int
    stop: int
    name: str
    value: str
    table: str
    parts: tuple[Field, ...] = ()
    head: tuple[Field, ...] = ()  #: tag, VR, length and value of an element, shown when it is looked at alone
    keyword: str = ""  #: of a data element, for `nbdicom.privacy`
    vr: str = ""

    @property
    def hidden(self) -> bool:
        """Whether neither value nor bytes are shown, here and now."""
        return bool(self.keyword) and privacy.is_masked() and privacy.hides(self.keyword, self.vr)


@dataclass(frozen=True, slots=True, repr=False)
class Dissection(Tabular):
    """Bytes and the fields that they are.

    ``dissection["Called AE title"]`` and ``dissection[3]`` give one field taken apart in its turn.

    Examples
    --------
    >>> from nbdicom.core.pdu import AAssociateRJ
    >>> print(dissect(AAssociateRJ(result=1, source=1, reason_diag=7)))
    A-ASSOCIATE-RJ (PS3.8 Table 9-21), 10 bytes
    at    bytes     field         value                               table
    ----  --------  ------------  ----------------------------------  ----------------
    0000  03        PDU type      03H A-ASSOCIATE-RJ                  PS3.8 Table 9-21
    0001  00        Reserved      0                                   PS3.8 Table 9-21
    0002  00000004  PDU length    4                                   PS3.8 Table 9-21
    0006  00        Reserved      0                                   PS3.8 Table 9-21
    0007  01        Result        permanent (1)                       PS3.8 Table 9-21
    0008  01        Source        service-user (1)                    PS3.8 Table 9-21
    0009  07        Reason diag.  called-AE-title-not-recognized (7)  PS3.8 Table 9-21
    """

    title: str
    data: bytes
    fields: tuple[Field, ...]
    length: int = -1  #: bytes that it has; more than ``data`` where not all were recorded
    notes: tuple[str, ...] = ()

    # --------------------------------------------------------------------------- parts

    def walk(self) -> Iterator[tuple[int, Field, bool]]:
        """Every field with its depth, and whether it is hidden with what holds it."""
        yield from _walk(self.fields, 0, False)

    def __getitem__(self, key: int | str) -> Dissection:
        if isinstance(key, int):
            field = self.fields[key]
        else:
            found = next((f for _, f, _ in self.walk() if _same(key, f)), None)
            if found is None:
                raise KeyError(f"no field {key!r}; there are {', '.join(f.name for f in self.fields)}")
            field = found
        return _alone(field, self.data)

    def __len__(self) -> int:
        return len(self.fields)

    def _ipython_key_completions_(self) -> list[str]:
        return list(dict.fromkeys(field.name for _, field, _ in self.walk()))

    # --------------------------------------------------------------------------- views

    @property
    def heading(self) -> str:
        """Title and length in one line."""
        length = len(self.data) if self.length < 0 else self.length
        rest = "" if length == len(self.data) else f", the first {len(self.data)} recorded"
        return f"{self.title}, {length} bytes{rest}"

    def table(self) -> Table:
        """One row for each field; of very many the first."""
        rows = []
        for depth, field, hidden in islice(self.walk(), _MOST_FIELDS):
            start = field.head[-1].start if field.head else field.start  # of an element the value
            shown = _hex(self.data[start : field.stop], hidden) if not field.parts else ""
            name = "\N{MIDDLE DOT} " * depth + field.name
            rows.append((f"{field.start:04x}", shown, name, _value(field, hidden), field.table))
        return Table(self.heading, ("at", "bytes", "field", "value", "table"), rows, notes=(*self.notes, *self._more()))

    def _more(self) -> list[str]:
        count = sum(1 for _ in self.walk()) - _MOST_FIELDS
        return [f"... and {count} more fields in .to_frame()"] if count > 0 else []

    def to_frame(self) -> pandas.DataFrame:
        """One row for each field, with its bytes where it holds no others."""
        import pandas

        rows = []
        for depth, f, hidden in self.walk():
            raw = None if hidden or f.parts else self.data[f.start : f.stop]
            rows.append((f.start, f.stop, depth, f.name, _value(f, hidden), raw, f.table))
        return pandas.DataFrame(rows, columns=["start", "stop", "depth", "field", "value", "bytes", "table"])

    def _repr_html_(self) -> str:
        fields = list(self.walk())[:_MOST_FIELDS]
        rules = "".join(
            f".nbd:has(.r{k}:hover) .h{k},.nbd:has(.r{k}:focus) .h{k},.nbd:has(.l{k}:hover) .r{k}"
            "{background:var(--nbd-lit)}"
            for k in range(len(fields))
        )
        rows = "".join(
            f"<tr class='r{k}' tabindex='0' title='bytes {f.start:04x} to {f.stop:04x}'>"
            f"<td style='padding-left:{0.4 + depth}em'>{escape(printable(f.name))}</td>"
            f"<td>{escape(_value(f, hidden))}</td><td class='of'>{escape(f.table)}</td></tr>"
            for k, (depth, f, hidden) in enumerate(fields)
        )
        head = "".join(f"<th scope='col'>{name}</th>" for name in ("field", "value", "table"))
        notes = "".join(f"<p>{escape(printable(note))}</p>" for note in (*self.notes, *self._more()))
        title = escape(printable(self.heading))
        return page(
            f"<p class='nbd-title'>{title}</p>"
            f"<div class='nbd-bytes'><pre class='nbd-hex' tabindex='0' aria-label='hexdump of {title}'>"
            f"{_dump(self.data, fields)}</pre><div><table class='nbd-fields' aria-label='fields of {title}'>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></div>{notes}",
            rules=rules,
        )


def _alone(field: Field, data: bytes) -> Dissection:
    """One field of a dissection as a dissection: its parts, or tag, VR, length and value of an element."""

    def moved(one: Field) -> Field:
        return replace(
            one,
            start=one.start - field.start,
            stop=one.stop - field.start,
            parts=tuple(map(moved, one.parts)),
            head=tuple(map(moved, one.head)),
        )

    inside = (*field.head, *field.parts) or (field,)
    title = f"{field.name} ({field.table})" if field.table else field.name
    return Dissection(title, data[field.start : field.stop], tuple(map(moved, inside)))


def _walk(fields: Iterable[Field], depth: int, hidden: bool) -> Iterator[tuple[int, Field, bool]]:
    for field in fields:
        here = hidden or field.hidden
        yield depth, field, here
        yield from _walk(field.parts, depth + 1, here)


def _same(key: str, field: Field) -> bool:
    wanted = key.replace("_", " ").lower()
    name = field.name.lower()
    return key == field.keyword or wanted == name or name.startswith(wanted + " (")


def _value(field: Field, hidden: bool) -> str:
    # What stands in something that is hidden is hidden like a name.
    name, vr = (field.keyword, field.vr) if not hidden or field.hidden else ("PatientName", "PN")
    return printable(privacy.shown(name, field.value, vr) if hidden else field.value)


def _hex(data: bytes, hidden: bool) -> str:
    if hidden:
        return "\N{MIDDLE DOT}\N{MIDDLE DOT}" if data else ""
    return data[:_HEX].hex() + (".." if len(data) > _HEX else "")  # one word, which no table breaks


def _dump(data: bytes, fields: Sequence[tuple[int, Field, bool]]) -> str:
    """The hexdump; each run of bytes of the same fields is one element, with the classes of all of them."""
    shown = min(len(data), _MOST_SHOWN)
    edges = {0, shown} | set(range(0, shown, _LINE))
    for _, f, _ in fields:
        edges |= {f.start, f.stop}
    marks = sorted(edge for edge in edges if edge <= shown)
    runs = [_Run.of(start, stop, fields) for start, stop in zip(marks, marks[1:], strict=False)]
    lines = []
    for start in range(0, shown, _LINE):
        row = [run for run in runs if start <= run.start < start + _LINE]
        codes = " ".join(run.span(" ".join(run.codes(data))) for run in row)
        texts = "".join(run.span("".join(run.texts(data))) for run in row)
        gap = "   " * (_LINE - min(_LINE, shown - start))
        lines.append(f"<span class='at'>{start:04x}</span>  {codes}{gap}  {texts}")
    if shown < len(data):
        lines.append(f"<span class='at'>... {len(data) - shown} bytes more</span>")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Run:
    start: int
    stop: int
    inside: tuple[int, ...]  #: the fields that hold these bytes, the innermost last
    hidden: bool

    @classmethod
    def of(cls, start: int, stop: int, fields: Sequence[tuple[int, Field, bool]]) -> _Run:
        inside = tuple(k for k, (_, f, _) in enumerate(fields) if f.start <= start and stop <= f.stop)
        return cls(start, stop, inside, any(fields[k][2] for k in inside))

    def span(self, text: str) -> str:
        if not self.inside:
            return text
        last = self.inside[-1]
        names = " ".join(f"h{k}" for k in self.inside)
        return f"<span class='{names} l{last} {'eo'[last % 2]}'>{text}</span>"

    def codes(self, data: bytes) -> Iterator[str]:
        for byte in data[self.start : self.stop]:
            yield "\N{MIDDLE DOT}\N{MIDDLE DOT}" if self.hidden else f"{byte:02x}"

    def texts(self, data: bytes) -> Iterator[str]:
        for byte in data[self.start : self.stop]:
            yield "\N{MIDDLE DOT}" if self.hidden or not 32 <= byte < 127 else escape(chr(byte))


# ------------------------------------------------------------------------------- taking apart


def dissect(what: Any, transfer_syntax: str | None = None) -> Dissection:
    """Take apart a PDU, an item, a message's command set, a data set, or the bytes of one of these.

    Parameters
    ----------
    what : PDU, Item, Message, Dataset, mapping or bytes
        Bytes are a PDU if they begin like one, a command set if they begin with group 0000, else a data set.
    transfer_syntax : str, optional
        Of a data set; Explicit VR Little Endian if not given.

    Raises
    ------
    DataSetError
        If it is none of these.

    Examples
    --------
    >>> dissect({"PatientID": "4711"})["PatientID"].table().rows[-1][1:4]
    ('34373131', 'Value', '4711')
    """
    if isinstance(what, p.PDU):
        return pdu(p.encode_pdu(what))
    if isinstance(what, p.Item):
        return _item(what)
    if isinstance(what, Message):
        return command_set(encode_command(what, data_set=False))
    if isinstance(what, bytes | bytearray | memoryview):
        raw = bytes(what)
        if len(raw) >= 6 and raw[0] in p.PDU_TYPES and int.from_bytes(raw[2:6], "big") == len(raw) - 6:
            return pdu(raw)
        return command_set(raw) if raw[:2] == b"\0\0" else data_set(raw, transfer_syntax)
    from nbdicom.data import codec

    syntax = transfer_syntax or _EXPLICIT_LITTLE_ENDIAN
    return data_set(codec.encode(what, UID(syntax)), syntax)


def _item(item: p.Item) -> Dissection:
    """An item alone: in whatever holds such items it is found by its name."""
    user = p.UserInformation(items=(item,))
    context = p.PresentationContextRQ(context_id=1, items=(item,))
    holders: list[p.PDU] = [
        p.AAssociateRQ(called_ae_title="", calling_ae_title="", items=(held,)) for held in (item, user, context)
    ]
    for holder in (*holders, p.AAssociateAC(items=(item,))):
        whole = pdu(p.encode_pdu(holder))
        if any(field.name == item.name for _, field, _ in whole.walk()):
            return whole[item.name]
    raise DataSetError(f"{type(item).__name__} is in no PDU")


def pdu(data: bytes, length: int | None = None) -> Dissection:
    """A PDU, or the beginning of one that has *length* bytes; secrets of a user identity are not shown."""
    whole = len(data) if length is None else length
    recorded = len(data)
    if data and recorded == whole:
        data = p.without_secrets(data)
    missing = max(0, min(whole - len(data), _MOST_MISSING))
    spans, note = _collect(p.annotate(data + bytes(missing)))
    known = [s._replace(stop=min(s.stop, len(data))) for s in spans if s.start < len(data)]
    notes = [note] if note and not missing else []
    if len(data) < recorded:
        notes.append("the rest cannot be read and is not shown: a user identity with its secret may be in it")
    elif len(data) < whole:
        notes.append("record(payload=...) says how many bytes of the fragments of each P-DATA-TF are kept")
    kind = p.PDU_TYPES.get(data[0]) if data else None
    title = f"{kind.name} ({kind.table})" if kind else "no PDU"
    fields = _named_reasons(data, _tree(list(_explained(known)))) or (_rest(data, 0),)
    return Dissection(title, data, fields, whole, tuple(notes))


_MOST_MISSING = 1 << 20  #: bytes that are made up to find the fields of a PDU whose payload was not kept


def command_set(data: bytes) -> Dissection:
    """A command set, whole or its beginning."""
    spans, note = _collect(annotate_command(data))
    fields = _tree(spans)
    fields = tuple(replace(field, head=_head(field)) for field in fields)
    end = spans[-1].stop if spans else 0
    try:
        message = decode_command(data)[0]
        title = f"Command set of {message.name} ({message.table})"
    except RemoteProtocolError:
        title = "Command set (PS3.7 E.1)"
    if end < len(data):
        fields = (*fields, _rest(data, end))
    return Dissection(title, data, fields, notes=_note(note))


def data_set(data: bytes, transfer_syntax: str | None = None, length: int | None = None) -> Dissection:
    """A data set, or the beginning of one that has *length* bytes."""
    from nbdicom.data.placed import placed_elements

    syntax = UID(transfer_syntax or _EXPLICIT_LITTLE_ENDIAN)
    whole = len(data) if length is None else length
    elements, note = _collect(placed_elements(data, syntax, cut=whole > len(data)))
    fields = _element_tree(elements, data)
    end = max((e.stop for e in elements), default=0)
    if end < len(data):
        fields = (*fields, _rest(data, end))
    return Dissection(f"Data set in {syntax.name} (PS3.5 7.1)", data, fields, whole, _note(note))


def _note(note: str) -> tuple[str, ...]:
    return (note,) if note else ()


def _collect(parts: Iterator[_T]) -> tuple[list[_T], str]:
    """What could be taken apart, and why not the rest."""
    found: list[_T] = []
    try:
        found.extend(parts)
    except (RemoteProtocolError, DataSetError) as error:
        return found, f"the rest cannot be taken apart: {error.message}"
    return found, ""


def _rest(data: bytes, start: int) -> Field:
    return Field(start, len(data), "Not taken apart", value_in_words(data[start:]), "")


def _tree(spans: Sequence[Span]) -> tuple[Field, ...]:
    """Spans with depths as fields within fields; the row that only says "items" is left out."""
    fields, index = _level(spans, 0, spans[0].depth if spans else 0)
    assert index == len(spans)
    return fields


def _level(spans: Sequence[Span], index: int, depth: int) -> tuple[tuple[Field, ...], int]:
    fields: list[Field] = []
    while index < len(spans) and spans[index].depth >= depth:
        span = spans[index]
        parts: tuple[Field, ...] = ()
        index += 1
        if index < len(spans) and spans[index].depth > span.depth:
            parts, index = _level(spans, index, span.depth + 1)
        if span.name == "items":
            fields += parts
            continue
        fields.append(
            Field(
                span.start,
                span.stop,
                field_name(span.name),
                value_in_words(span.value),
                span.table,
                parts,
            )
        )
    return tuple(fields), index


def _explained(spans: Iterable[Span]) -> Iterator[Span]:
    """Bytes that have a meaning beyond their item get it in words: options of a SOP Class, the name of a user."""
    about: Any = None  # the SOP Class or the type of identity, which stand before the bytes
    for span in spans:
        value, words = span.value, ""
        if span.name in ("sop_class_uid", "user_identity_type"):
            about = value
        elif span.name == "service_class_application_information" and isinstance(value, bytes):
            options = options_of(about, value)
            words = "" if isinstance(options, bytes) else in_short(options)
        elif span.name == "primary_field" and about in _NAMED and isinstance(value, bytes):
            words = value.decode("utf-8", "replace")
        yield span._replace(value=f"{value_in_words(value)}: {words}") if words else span


_NAMED = (p.UserIdentityType.USERNAME, p.UserIdentityType.USERNAME_AND_PASSCODE)


def _named_reasons(data: bytes, fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """What the numbers of an A-ASSOCIATE-RJ or A-ABORT mean depends on one another (PS3.8 Tables 9-21 and 9-26)."""
    if len(data) != 10:
        return fields
    decoded = p.decode_pdu(data[0], data[6:]) if data[0] in p.FIXED_LENGTH_TYPES else None
    if isinstance(decoded, p.AAssociateRJ):
        reason = p.reject_reason(int(decoded.source), decoded.reason_diag)
    elif isinstance(decoded, p.AAbort) and decoded.source != p.AbortSource.SERVICE_USER:
        reason = p.in_words(p.AbortReason, decoded.reason_diag)
    elif isinstance(decoded, p.AAbort):
        reason = "not significant"
    else:
        return fields
    return (*fields[:-1], replace(fields[-1], value=f"{reason} ({decoded.reason_diag})"))


def _head(field: Field) -> tuple[Field, ...]:
    """Tag, length and value of an element of a command set."""
    at, stop = field.start, field.stop
    tag = field.name[-10:-1]
    return (
        Field(at, at + 4, "Tag", f"({tag})", _IMPLICIT_TABLE),
        Field(at + 4, at + 8, "Value length", str(stop - at - 8), _IMPLICIT_TABLE),
        Field(at + 8, stop, "Value", field.value, field.table),
    )


_IMPLICIT_TABLE = "PS3.5 Table 7.1-3"


def _element_tree(elements: Sequence[PlacedElement], data: bytes) -> tuple[Field, ...]:
    stack: list[tuple[int, list[Field], PlacedElement | None]] = [(-1, [], None)]

    def close(depth: int) -> None:
        while stack[-1][0] >= depth:
            _, parts, element = stack.pop()
            assert element is not None
            stack[-1][1].append(_element_field(element, data, tuple(parts)))

    for element in elements:
        close(element.depth)
        stack.append((element.depth, [], element))
    close(0)
    return tuple(stack[0][1])


def _element_field(element: PlacedElement, data: bytes, parts: tuple[Field, ...]) -> Field:
    tag = f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X})"
    explicit = element.vr and data[element.start + 4 : element.start + 6] == element.vr.encode("latin-1")
    long_form = explicit and element.value - element.start == 12
    table = (
        "PS3.5 7.5" if element.tag >> 16 == 0xFFFE else f"PS3.5 Table 7.1-{1 if long_form else 2 if explicit else 3}"
    )
    name = element.keyword if "," not in element.keyword else _nameless(element.tag)
    label = f"{name} {tag}" + (f" {element.vr}" if element.vr else "")
    value = _element_value(element)
    keyword = "" if element.tag >> 16 == 0xFFFE else element.keyword
    at, start, stop = element.start, element.value, element.stop
    head = [Field(at, at + 4, "Tag", tag, table)]
    if explicit:
        head.append(Field(at + 4, at + 6, "VR", element.vr, table))
        if long_form:
            head.append(Field(at + 6, at + 8, "Reserved", "0", table))
    size = int.from_bytes(data[head[-1].stop : start], "little")
    head.append(Field(head[-1].stop, start, "Value length", "undefined" if size == _UNDEFINED else str(size), table))
    if stop > start and not parts:
        head.append(Field(start, stop, "Value", value, "PS3.5 Table 6.2-1", keyword=keyword, vr=element.vr))
    return Field(at, stop, label, value, table, parts, tuple(head), keyword, element.vr)


def _nameless(tag: int) -> str:
    """What an element is of which no dictionary has the keyword."""
    return "Private creator" if is_private_creator(tag) else "Private" if tag >> 16 & 1 else "Unknown"


def _element_value(element: PlacedElement) -> str:
    shown = element.shown
    text = value_in_words(UID(shown)) if element.vr == "UI" and isinstance(shown, str) else value_in_words(shown)
    if element.vr == "AT" and isinstance(shown, int):
        text = f"({shown >> 16:04X},{shown & 0xFFFF:04X})"
    return f"{text} (the rest was not recorded)" if element.cut else text
