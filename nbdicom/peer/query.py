"""Queries: the one place where levels, keywords and values are checked before anything is sent (PS3.4 C.4.1, C.6).

The form, the command line and a cell share everything from `Query` on.  A `Query` is one C-FIND request: its level,
its information model, its keys as they go on the wire and the columns that its answers make.  It does no I/O and
knows no peer. pydicom's dictionary is loaded at the first use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from itertools import product
from math import prod
from typing import Any

from nbdicom import privacy
from nbdicom.config import Limits
from nbdicom.core.extended import QueryOptions
from nbdicom.errors import QueryError
from nbdicom.peer.values import values_of, wire
from nbdicom.table import Table, Tabular
from nbdicom.uids import UID
from nbdicom.vr import SINGLE_TEXT, is_private_creator, tag_text

__all__ = [
    "KEYS_BY_NAME",
    "LEVEL_OF_KEY",
    "LIST_OF_UIDS",
    "UNIQUE_KEYS",
    "Attribute",
    "InformationModel",
    "Level",
    "Query",
    "apart",
    "attribute",
    "check_number",
    "number_apart",
    "wired",
]


#: What to try with a mapping or a Dataset of keys.
KEYS_BY_NAME = "keys are given by name, pacs.studies(PatientName='DOE*'); Association.find takes a Dataset as it is"


class Level(StrEnum):
    """The levels of the Query/Retrieve information models, from the top (PS3.4 C.6)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"

    @classmethod
    def of(cls, text: str) -> Level:
        """The level that *text* means: in any case, singular or plural; INSTANCE is another word for IMAGE.

        >>> Level.of("instances")
        <Level.IMAGE: 'IMAGE'>
        """
        if not isinstance(text, str):  # a Dataset, say, whose values are nothing for a message
            raise QueryError(f"a {type(text).__name__} is not a level", hint=KEYS_BY_NAME)
        name = text.strip().upper()
        name = {"PATIENTS": "PATIENT", "STUDIES": "STUDY", "IMAGES": "IMAGE"}.get(name, name)
        if name in ("INSTANCE", "INSTANCES"):
            name = "IMAGE"
        try:
            return cls(name)
        except ValueError:
            levels = " ".join(cls)
            raise QueryError(f"{text!r} is not a level", hint=f"the levels are {levels} (or INSTANCE)") from None

    @property
    def depth(self) -> int:
        """0 for PATIENT to 3 for IMAGE."""
        return list(Level).index(self)

    @property
    def unique_key(self) -> str:
        """The Unique Key attribute of the level (PS3.4 C.6.1.1)."""
        return UNIQUE_KEYS[self]


UNIQUE_KEYS: Mapping[Level, str] = {
    Level.PATIENT: "PatientID",
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}


class InformationModel(Enum):
    """The two Query/Retrieve information models (PS3.4 C.6.1, C.6.2)."""

    PATIENT_ROOT = "PatientRoot"
    STUDY_ROOT = "StudyRoot"

    @classmethod
    def of(cls, model: str | None, level: Level) -> InformationModel:
        """The model that *model* means, or the usual one of *level*: Patient Root for patients, else Study Root."""
        if model is None:
            return cls.PATIENT_ROOT if level is Level.PATIENT else cls.STUDY_ROOT
        text = "".join(c for c in str(model).lower() if c.isalpha()) or UID(model).keyword.lower()
        found = next((one for one in cls if text.startswith((one.value.lower(), one.value.lower()[:-4]))), None)
        if found is None:
            raise QueryError("not an information model", hint="the models are 'patient' and 'study' (root)")
        if found is cls.STUDY_ROOT and level is Level.PATIENT:
            raise QueryError(
                "the Study Root model has no PATIENT level [PS3.4 C.6.2]", hint="leave model= out, or ask for studies"
            )
        return found

    @property
    def find(self) -> UID:
        """The SOP Class of C-FIND."""
        return UID.of(f"{self.value}QueryRetrieveInformationModelFind")

    @property
    def get(self) -> UID:
        """The SOP Class of C-GET."""
        return UID.of(f"{self.value}QueryRetrieveInformationModelGet")

    @property
    def move(self) -> UID:
        """The SOP Class of C-MOVE."""
        return UID.of(f"{self.value}QueryRetrieveInformationModelMove")

    def above(self, level: Level) -> tuple[Level, ...]:
        """The levels above *level* in this model, from the top."""
        top = 0 if self is InformationModel.PATIENT_ROOT else 1
        return tuple(Level)[top : level.depth]


#: The keys of each level (PS3.4 Tables C.6-1 to C.6-5, and what peers commonly support beyond them).  An attribute
#: that is not listed may be used at every level: the standard leaves optional keys open.
_KEYS_OF_LEVEL = {
    Level.PATIENT: """PatientName PatientID IssuerOfPatientID PatientBirthDate PatientBirthTime PatientSex
        OtherPatientIDs OtherPatientIDsSequence OtherPatientNames EthnicGroup PatientComments
        NumberOfPatientRelatedStudies NumberOfPatientRelatedSeries NumberOfPatientRelatedInstances""",
    Level.STUDY: """StudyDate StudyTime AccessionNumber StudyID StudyInstanceUID ReferringPhysicianName StudyDescription
        ProcedureCodeSequence NameOfPhysiciansReadingStudy AdmittingDiagnosesDescription PatientAge PatientSize
        PatientWeight Occupation AdditionalPatientHistory ModalitiesInStudy SOPClassesInStudy
        NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances""",
    Level.SERIES: """Modality SeriesNumber SeriesInstanceUID SeriesDescription SeriesDate SeriesTime BodyPartExamined
        Laterality ProtocolName PerformedProcedureStepStartDate PerformedProcedureStepStartTime
        RequestAttributesSequence NumberOfSeriesRelatedInstances""",
    Level.IMAGE: """InstanceNumber SOPInstanceUID SOPClassUID NumberOfFrames Rows Columns BitsAllocated ContentDate
        ContentTime AcquisitionNumber ImageType SliceLocation""",
}
LEVEL_OF_KEY = {keyword: level for level, text in _KEYS_OF_LEVEL.items() for keyword in text.split()}

#: What an answer has when nothing else is asked for, in the order of the columns; the unique keys follow.
_COLUMNS = {
    Level.PATIENT: "PatientID PatientName PatientBirthDate PatientSex NumberOfPatientRelatedStudies "
    "NumberOfPatientRelatedSeries NumberOfPatientRelatedInstances",
    Level.STUDY: "PatientID PatientName PatientBirthDate PatientSex StudyDate StudyTime ModalitiesInStudy "
    "StudyDescription AccessionNumber StudyID ReferringPhysicianName NumberOfStudyRelatedSeries "
    "NumberOfStudyRelatedInstances",
    Level.SERIES: "Modality SeriesNumber SeriesDescription BodyPartExamined SeriesDate SeriesTime "
    "NumberOfSeriesRelatedInstances",
    Level.IMAGE: "InstanceNumber SOPClassUID NumberOfFrames Rows Columns",
}

#: What may stand beside the keys of a query, and is as easily misspelt.
_PARAMETERS = ("columns", "complete", "defaults", "limit", "model", "options", "parse", "progress", "raw", "relational")

LIST_OF_UIDS = 100  #: UIDs in one request; the list is short enough for any peer's buffers

_INSTEAD = {("Modality", Level.STUDY): "ModalitiesInStudy", ("SOPClassUID", Level.STUDY): "SOPClassesInStudy"}


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of the data dictionary (PS3.6 section 6), or a private one."""

    keyword: str  #: or "gggg,eeee" where it has none
    vr: str
    multiple: bool  #: whether its value multiplicity is more than one


def attribute(name: str) -> Attribute:
    """The attribute that *name* means: a keyword of PS3.6, or a tag as ``"gggg,eeee"``.

    Raises
    ------
    QueryError
        If there is none; the hint has the nearest keywords.

    Examples
    --------
    >>> attribute("0010,0010")
    Attribute(keyword='PatientName', vr='PN', multiple=False)
    >>> attribute("PatentName")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    nbdicom.errors.QueryError: PatentName is not a keyword of the DICOM dictionary -> did you mean PatientName...
    """
    from pydicom import datadict

    tag = _tag(name)
    if tag is None:
        tag = datadict.tag_for_keyword(name)
        if tag is None:
            raise QueryError(f"{name} is not a keyword of the DICOM dictionary", hint=_nearest(name))
    if tag >> 16 in (0x0000, 0x0002) or tag & 0xFFFF == 0:
        raise QueryError(
            f"{name} is not an attribute of a data set: groups 0000 and 0002 and group lengths are not keys"
        )
    if not datadict.dictionary_has_tag(tag):
        # Without a dictionary, a private creator is LO (PS3.5 7.8.1) and everything else is unknown.
        return Attribute(tag_text(tag), "LO" if is_private_creator(tag) else "UN", False)
    keyword = datadict.dictionary_keyword(tag) or tag_text(tag)
    vr = datadict.dictionary_VR(tag).split(" or ")[0]
    return Attribute(keyword, vr, datadict.dictionary_VM(tag) not in ("1", "0-1"))


def wired(name: str, value: Any) -> Any:
    """A value of an attribute as it goes on the wire; a sequence is taken as it is.

    Raises
    ------
    QueryError
        If there is no such attribute, or it cannot have such a value.

    Examples
    --------
    >>> wired("PatientBirthDate", "1980-05-04")
    '19800504'
    """
    known = attribute(name)
    return value if known.vr == "SQ" else wire(known.keyword, known.vr, value)


def _tag(name: str) -> int | None:
    digits = name.strip().strip("()").replace(",", "").replace(" ", "")
    if len(digits) != 8 or ("," not in name and not digits[0].isdigit()):
        return None
    try:
        return int(digits, 16)
    except ValueError:
        return None


def _nearest(name: str) -> str:
    import difflib

    from pydicom.datadict import keyword_dict

    keywords = {keyword.lower(): keyword for keyword in (*keyword_dict, *_PARAMETERS) if keyword}
    near = difflib.get_close_matches(name.lower(), keywords, n=3, cutoff=0.75)
    if near:
        return f"did you mean {' or '.join(keywords[one] for one in near)}?"
    return "keywords are spelled as in PS3.6, such as PatientName; a tag is written 'gggg,eeee'"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Query(Tabular):
    """One C-FIND request, checked.  Make it with `Query.of` or `Query.each`.

    Examples
    --------
    >>> query = Query.of("study", PatientName="DOE*", StudyDate="2024")
    >>> query.matching
    {'PatientName': 'DOE*', 'StudyDate': '20240101-20241231'}
    """

    level: Level
    model: InformationModel
    keys: Mapping[str, Any]  #: keyword -> value on the wire; "" is universal matching, that is a return key
    columns: tuple[str, ...]  #: the columns of the answer, in order
    relational: bool = False
    options: QueryOptions | None = None  #: asked for by extended negotiation; None where nothing is

    @classmethod
    def of(
        cls,
        level: str = "STUDY",
        /,
        *,
        columns: Iterable[str] = (),
        defaults: bool = True,
        model: str | None = None,
        relational: bool = False,
        options: QueryOptions | None = None,
        **keys: Any,
    ) -> Query:
        """Check a query.

        Parameters
        ----------
        level : str
            PATIENT, STUDY, SERIES or IMAGE (INSTANCE), in any case.
        columns : iterable of str
            Further attributes to return, by keyword or as ``"gggg,eeee"``.
        defaults : bool
            Whether to ask for the usual attributes of the level, too; the unique keys are always asked for.
        model : str, optional
            ``"patient"`` or ``"study"`` root; by default Patient Root for patients and Study Root for all else.
        relational : bool
            Allow keys of every level and no unique keys of the levels above (PS3.4 C.4.1.2.2.1).  Peers may refuse it; it
            is asked for by extended negotiation.
        options : QueryOptions, optional
            What else to ask for by extended negotiation: fuzzy matching of names, for instance (PS3.4 C.5.1.1).
        **keys
            Matching keys; see `nbdicom.peer.values.wire` for what a value may be.

        Raises
        ------
        QueryError
            If the keyword, the value or the combination cannot be sent.
        """
        at = Level.of(level)
        root = InformationModel.of(model, at)
        matching: dict[str, Any] = {}
        combined = options is not None and options.date_time
        for name, value in keys.items():
            known = attribute(name)
            if known.keyword == "QueryRetrieveLevel":
                raise QueryError("QueryRetrieveLevel is not a key to give", hint="the level is the first argument")
            matching[known.keyword] = wire(known.keyword, known.vr, value, combined=combined)
        wanted = [attribute(name).keyword for name in ([columns] if isinstance(columns, str) else columns)]
        if not relational:
            _check_hierarchy(at, root, matching, wanted)
        unique = [UNIQUE_KEYS[one] for one in (*root.above(at), at)]
        shown = [*(_COLUMNS[at].split() if defaults else ()), *matching, *wanted]
        order = [name for name in dict.fromkeys(shown) if name not in unique or name == "PatientID"]
        order += [name for name in unique if name not in order]
        everything = {**dict.fromkeys((*order, *unique), ""), **matching}
        hidden = ("SpecificCharacterSet", "TimezoneOffsetFromUTC")
        return cls(
            level=at,
            model=root,
            keys=everything,
            columns=tuple(name for name in order if name not in hidden),
            relational=relational,
            options=replace(options or QueryOptions(), relational=True) if relational else options,
        )

    @classmethod
    def each(
        cls,
        level: str,
        /,
        *,
        model: str | None = None,
        relational: bool = False,
        most: int = Limits().queries,
        **keys: Any,
    ) -> list[Query]:
        """One query for each value of the levels above: a list of studies is asked study by study.

        The unique keys above the level take a single value in one request (PS3.4 C.4.1.2.1), a person has a table of
        them.  The arguments are those of `of`; *most* is how many queries there may be.

        Raises
        ------
        QueryError
            See `of`; also if there would be more than *most*.
        """
        at = Level.of(level)
        above = () if relational else InformationModel.of(model, at).above(at)
        many: dict[str, list[Any]] = {}
        for key in (one.unique_key for one in above):
            if keys.get(key) is not None:  # where one is missing, `of` says which and why
                many[key] = list(dict.fromkeys(values_of(key, keys[key])))
        check_number(prod(map(len, many.values())), most)
        return [
            cls.of(level, model=model, relational=relational, **{**keys, **dict(zip(many, values, strict=True))})
            for values in product(*many.values())
        ]

    @property
    def unique(self) -> tuple[str, ...]:
        """The unique keys of an answer: two with the same values are about the same thing."""
        return tuple(UNIQUE_KEYS[one] for one in (*self.model.above(self.level), self.level))

    @property
    def sop_class(self) -> UID:
        """The SOP Class with which it is asked."""
        return self.model.find

    def about(self) -> dict[str, Any]:
        """Level and model, for the provenance of the answers."""
        return {"level": self.level.value, "model": self.model.value}

    @property
    def matching(self) -> dict[str, Any]:
        """The keys that have a value."""
        return {keyword: value for keyword, value in self.keys.items() if not _is_empty(value)}

    def identifier(self) -> dict[str, Any]:
        """The identifier of the C-FIND request: keyword (or tag) and value on the wire."""
        return {"QueryRetrieveLevel": self.level.value, **self.keys}

    def table(self) -> Table:
        """The keys as a table."""
        rows = [(name, privacy.shown(name, value), "matching") for name, value in self.matching.items()]
        rows += [(name, "", "return") for name, value in self.keys.items() if name not in self.matching]
        return Table(f"C-FIND at {self.level.value} level, {self.model.find.name}", ("key", "value", "use"), rows)


#: VRs whose values are matched together where that is negotiated (PS3.4 C.2.2.2.8).
_MATCHED_TOGETHER = frozenset(("AE", "AS", "AT", "CS", "LO", "PN", "SH", "UC"))


def apart(keys: Mapping[str, Any], options: QueryOptions | None) -> Iterator[Mapping[str, Any]]:
    r"""The keys of one request as those of several, none of which has several values where the standard knows one.

    Only UIDs are matched against a list by every peer (PS3.4 C.2.2.2.2).  Elsewhere several values mean nothing unless
    that is negotiated (C.2.2.2.8): some peers take any of them, others find nothing, and do not say so.  A long list of
    UIDs goes in parts, since a peer's buffers end somewhere, and a value in Explicit VR at 64 KB.  What is negotiated
    concerns attributes that may have several values, and asks for entities that have all of them: those stay together.

    >>> [keys["AccessionNumber"] for keys in apart({"AccessionNumber": "A1\\A2", "StudyDate": ""}, None)]
    ['A1', 'A2']
    """
    parts = _parts(keys, options)
    for some in product(*parts.values()):
        yield {**keys, **dict(zip(parts, some, strict=True))}


def number_apart(keys: Mapping[str, Any], options: QueryOptions | None) -> int:
    """How many requests `apart` makes of the keys of one."""
    return prod(map(len, _parts(keys, options).values()))


def _parts(keys: Mapping[str, Any], options: QueryOptions | None) -> dict[str, list[str]]:
    """The keys with several values that cannot stay together, and what is asked for one after the other."""
    parts: dict[str, list[str]] = {}
    for name, value in keys.items():
        if not isinstance(value, str) or "\\" not in value:
            continue
        known = attribute(name)
        vr = known.vr
        values = list(dict.fromkeys(value.split("\\")))
        if vr == "UI":
            parts[name] = [
                "\\".join(values[start : start + LIST_OF_UIDS]) for start in range(0, len(values), LIST_OF_UIDS)
            ]
        elif vr not in SINGLE_TEXT and name != "SpecificCharacterSet":
            if not (options and options.multiple_value and known.multiple and vr in _MATCHED_TOGETHER):
                parts[name] = values
    return parts


def check_number(number: int, most: int) -> None:
    """Refuse to send more than *most* queries for one call: lists multiply, and a PACS has others to serve.

    Raises
    ------
    QueryError
        If *number* is greater.
    """
    if number > most:
        raise QueryError(
            f"that would be {number} queries, one for each value of a list and for all combinations of two lists; "
            f"at most {most} are sent for one call",
            hint="pass rows of a table instead of several lists, or ask in parts; "
            f"Peer(..., limits=Limits(queries={number})) allows it",
        )


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, (str, list, tuple)) and not value)


def _check_hierarchy(level: Level, model: InformationModel, matching: Mapping[str, Any], wanted: list[str]) -> None:
    """The rules of the hierarchical search method (PS3.4 C.4.1.2.1, C.4.1.3.1.1)."""
    for one in model.above(level):
        key, value = one.unique_key, matching.get(one.unique_key)
        if _is_empty(value):
            raise QueryError(
                f"a query at {level.value} level needs {key}: one value for each level above [PS3.4 C.4.1.2.1]",
                hint=f"find the {_PLURAL[one]} first and pass {key}=..., or ask with relational=True (--relational)",
            )
        if isinstance(value, str) and ("\\" in value or "*" in value or "?" in value):
            raise QueryError(
                f"a query at {level.value} level needs one value of {key}, without wildcards [PS3.4 C.4.1.2.1]"
            )
    for keyword in dict.fromkeys((*matching, *wanted)):
        at = LEVEL_OF_KEY.get(keyword, level)
        if at.depth > level.depth:
            instead = _INSTEAD.get((keyword, level))
            raise QueryError(
                f"{keyword} is a key of the {at.value} level, not for use at {level.value} level [PS3.4 C.4.1.2.1]",
                hint=f"use {instead}"
                if instead
                else f"ask for {_PLURAL[at]}, or ask with relational=True (--relational)",
            )
        # A study carries its patient's attributes in the Study Root model (PS3.4 C.6.2.1).  Attributes of levels
        # above are returned by many peers, so asking for them is left to the caller; matching by them is what the
        # standard forbids.
        top = Level.STUDY if model is InformationModel.STUDY_ROOT else Level.PATIENT
        above = max(at.depth, top.depth) < level.depth
        if above and not _is_empty(matching.get(keyword)) and keyword not in UNIQUE_KEYS.values():
            raise QueryError(
                f"{keyword} is a key of the {at.value} level; a query at {level.value} level matches by its own keys "
                "and the unique keys above [PS3.4 C.4.1.2.1]",
                hint=f"find the {_PLURAL[at]} by {keyword} first, or ask with relational=True (--relational)",
            )


_PLURAL = {Level.PATIENT: "patients", Level.STUDY: "studies", Level.SERIES: "series", Level.IMAGE: "instances"}
