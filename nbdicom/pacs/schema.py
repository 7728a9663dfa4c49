"""The shape of the index: four levels, the attributes that have a column, those that are counted, and the SQL tables.

One declaration serves the table definitions, what is written for an object, and what a query may ask for
(PS3.4 C.6.1.1 and C.6.2.1: the keys of each level).  An attribute without a row here is kept too, as JSON, with the
level that `level_of` gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

__all__ = [
    "APPLICATION_ID",
    "COLUMNS",
    "COMPUTED",
    "SCHEMA",
    "SCHEMA_VERSION",
    "TABLES",
    "UNIQUE_KEYS",
    "Column",
    "Computed",
    "Level",
    "level_of",
]


class Level(IntEnum):
    """Query/Retrieve levels (PS3.4 C.3), from the top."""

    PATIENT = 0
    STUDY = 1
    SERIES = 2
    IMAGE = 3


#: Table and alias of each level, as every statement of this package writes them.
TABLES: Mapping[Level, tuple[str, str]] = {
    Level.PATIENT: ("patients", "p"),
    Level.STUDY: ("studies", "t"),
    Level.SERIES: ("series", "s"),
    Level.IMAGE: ("instances", "i"),
}

#: The unique key of each level (PS3.4 C.6.1.1).
UNIQUE_KEYS: Mapping[Level, str] = {
    Level.PATIENT: "PatientID",
    Level.STUDY: "StudyInstanceUID",
    Level.SERIES: "SeriesInstanceUID",
    Level.IMAGE: "SOPInstanceUID",
}


@dataclass(frozen=True, slots=True)
class Column:
    """An attribute with a column of its own: matched by SQL, returned without reading JSON."""

    keyword: str
    vr: str
    level: Level

    @property
    def sql(self) -> str:
        """The column with its table's alias."""
        return f"{TABLES[self.level][1]}.{self.keyword}"


@dataclass(frozen=True, slots=True)
class Computed:
    """An attribute that the index works out when it is asked for.

    ``sql`` gives the value.  ``exists`` matches it where it has several values: ``{}`` is the place of the condition on
    the expression ``element``.
    """

    keyword: str
    vr: str
    level: Level
    sql: str
    exists: str = ""
    element: str = ""


_COLUMN_ROWS = """
PATIENT|LO|PatientID IssuerOfPatientID
PATIENT|PN|PatientName
PATIENT|DA|PatientBirthDate
PATIENT|CS|PatientSex
STUDY|UI|StudyInstanceUID
STUDY|DA|StudyDate
STUDY|TM|StudyTime
STUDY|SH|AccessionNumber StudyID
STUDY|LO|StudyDescription
STUDY|PN|ReferringPhysicianName
SERIES|UI|SeriesInstanceUID
SERIES|CS|Modality BodyPartExamined Laterality
SERIES|IS|SeriesNumber
SERIES|LO|SeriesDescription ProtocolName Manufacturer ManufacturerModelName InstitutionName
SERIES|SH|StationName
SERIES|DA|SeriesDate PerformedProcedureStepStartDate
SERIES|TM|SeriesTime PerformedProcedureStepStartTime
SERIES|PN|OperatorsName
IMAGE|UI|SOPInstanceUID SOPClassUID
IMAGE|IS|InstanceNumber
"""

COLUMNS: Mapping[str, Column] = {
    keyword: Column(keyword, vr, Level[level])
    for level, vr, keywords in (row.split("|") for row in _COLUMN_ROWS.split("\n")[1:-1])
    for keyword in keywords.split()
}

_SERIES_OF_PATIENT = "FROM studies ct JOIN series cs ON cs.study = ct.id WHERE ct.patient = p.id"
_INSTANCES_OF_STUDY = "FROM series cs JOIN instances ci ON ci.series = cs.id WHERE cs.study = t.id"


def _several(expression: str, source: str) -> str:
    # group_concat(DISTINCT) knows no separator but the comma; neither a UID nor a CS may have one.
    return f"(SELECT replace(group_concat(DISTINCT {expression}), ',', '\\') {source})"


#: PS3.4 C.3.4: additional query/retrieve attributes.  They are consistent with the index because they are read from it.
COMPUTED: Mapping[str, Computed] = {
    entry.keyword: entry
    for entry in (
        Computed(
            "NumberOfPatientRelatedStudies",
            "IS",
            Level.PATIENT,
            "(SELECT count(*) FROM studies ct WHERE ct.patient = p.id)",
        ),
        Computed("NumberOfPatientRelatedSeries", "IS", Level.PATIENT, f"(SELECT count(*) {_SERIES_OF_PATIENT})"),
        Computed(
            "NumberOfPatientRelatedInstances", "IS", Level.PATIENT, f"(SELECT sum(cs.instances) {_SERIES_OF_PATIENT})"
        ),
        Computed(
            "NumberOfStudyRelatedSeries", "IS", Level.STUDY, "(SELECT count(*) FROM series cs WHERE cs.study = t.id)"
        ),
        Computed(
            "NumberOfStudyRelatedInstances",
            "IS",
            Level.STUDY,
            "(SELECT sum(cs.instances) FROM series cs WHERE cs.study = t.id)",
        ),
        Computed(
            "ModalitiesInStudy",
            "CS",
            Level.STUDY,
            _several("cs.Modality", "FROM series cs WHERE cs.study = t.id"),
            "EXISTS (SELECT 1 FROM series cs WHERE cs.study = t.id AND {})",
            "cs.Modality",
        ),
        Computed(
            "SOPClassesInStudy",
            "UI",
            Level.STUDY,
            _several("ci.SOPClassUID", _INSTANCES_OF_STUDY),
            f"EXISTS (SELECT 1 {_INSTANCES_OF_STUDY} AND {{}})",
            "ci.SOPClassUID",
        ),
        Computed("NumberOfSeriesRelatedInstances", "IS", Level.SERIES, "s.instances"),
        Computed("AvailableTransferSyntaxUID", "UI", Level.IMAGE, "i.transfer_syntax"),
        Computed("TransferSyntaxUID", "UI", Level.IMAGE, "i.transfer_syntax"),
    )
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Attributes of the patient (PS3.3 C.7.1.1, C.2.2 to C.2.4) and of the study (PS3.3 C.7.2, C.3) that have no column.
#: Every other attribute belongs to the instance; at the level of a series its first instance speaks for it.
_PATIENT_KEYWORDS = _words(
    """
    PatientBirthTime OtherPatientIDs OtherPatientNames EthnicGroup PatientComments TypeOfPatientID
    PatientBirthDateInAlternativeCalendar PatientDeathDateInAlternativeCalendar PatientAlternativeCalendar
    PatientSpeciesDescription PatientBreedDescription ResponsiblePerson ResponsiblePersonRole ResponsibleOrganization
    PatientBirthName PatientMotherBirthName PatientAddress PatientTelephoneNumbers PatientReligiousPreference
    CountryOfResidence RegionOfResidence MilitaryRank BranchOfService QualityControlSubject StrainDescription
    """
)
_STUDY_KEYWORDS = _words(
    """
    PhysiciansOfRecord NameOfPhysiciansReadingStudy RequestingService RequestingPhysician ConsultingPhysicianName
    RequestedProcedureDescription RequestedProcedureID ReasonForStudy StudyComments StudyStatusID StudyPriorityID
    AdmittingDiagnosesDescription PatientAge PatientSize PatientWeight PatientBodyMassIndex Occupation
    AdditionalPatientHistory AdmissionID AdmittingDate AdmittingTime CurrentPatientLocation PatientState
    MedicalAlerts Allergies SmokingStatus PregnancyStatus LastMenstrualDate SpecialNeeds ServiceEpisodeID
    ServiceEpisodeDescription VisitComments PatientSexNeutered ReasonForVisit PatientInstitutionResidence
    ClinicalTrialTimePointID ClinicalTrialTimePointDescription
    """
)


def level_of(keyword: str) -> Level:
    """The level at which the JSON of the index keeps an attribute that has no column."""
    if keyword in _PATIENT_KEYWORDS:
        return Level.PATIENT
    return Level.STUDY if keyword in _STUDY_KEYWORDS else Level.IMAGE


# ------------------------------------------------------------------------------- the tables

APPLICATION_ID = 0x6E624443  #: "nbDC" in the file's header: this SQLite file is ours
SCHEMA_VERSION = 1


def _columns(level: Level) -> str:
    return ", ".join(
        f"{column.keyword} {'INTEGER' if column.vr == 'IS' else 'TEXT'}"
        for column in COLUMNS.values()
        if column.level is level
    )


# ``identity`` says what makes two objects belong to one patient (see rows.Attributes).  ``names`` has one row
# for each component group of a patient's name, folded, because names are matched without regard to case and in any of
# the three scripts.  JSON that is rarely asked for has a table of its own at series level, so that a scan of a million
# series does not read it.  ``instances.more`` has only what differs from the series' JSON.
SCHEMA = f"""
CREATE TABLE patients (id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, {_columns(Level.PATIENT)}, more TEXT);
CREATE INDEX patients_by_id ON patients (PatientID);
CREATE INDEX patients_by_birth ON patients (PatientBirthDate);
CREATE TABLE names (patient INTEGER NOT NULL, component INTEGER NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY (patient, component)) WITHOUT ROWID;
CREATE INDEX names_by_name ON names (name, component, patient);
CREATE TABLE studies (id INTEGER PRIMARY KEY, patient INTEGER NOT NULL, {_columns(Level.STUDY)}, more TEXT,
    UNIQUE (StudyInstanceUID));
CREATE INDEX studies_of_patient ON studies (patient);
CREATE INDEX studies_by_date ON studies (StudyDate);
CREATE INDEX studies_by_accession ON studies (AccessionNumber);
CREATE TABLE series (id INTEGER PRIMARY KEY, study INTEGER NOT NULL, {_columns(Level.SERIES)},
    instances INTEGER NOT NULL DEFAULT 0, UNIQUE (SeriesInstanceUID, study));
CREATE INDEX series_of_study ON series (study, Modality);
CREATE INDEX series_by_modality ON series (Modality);
CREATE TABLE series_more (id INTEGER PRIMARY KEY, more TEXT);
CREATE TABLE instances (id INTEGER PRIMARY KEY, series INTEGER NOT NULL, {_columns(Level.IMAGE)},
    transfer_syntax TEXT NOT NULL, object TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, offset INTEGER NOT NULL,
    digest BLOB NOT NULL, received TEXT NOT NULL, source TEXT, more TEXT, UNIQUE (SOPInstanceUID));
CREATE INDEX instances_of_series ON instances (series, SOPClassUID);
"""
