"""What shows a person and what does not: masking in tables and traces, and what a log may say (PS3.15 Annex E).

>>> from nbdicom import privacy
>>> with privacy.masked():
...     privacy.shown("PatientID", "4711") == "4711", privacy.shown("Modality", "CT")
(False, 'CT')

Hidden is what the Basic Application Level Confidentiality Profile (PS3.15 2026c, Table E.1-1) removes or replaces, with the
options that keep a table of use: Retain UIDs, Retain Longitudinal Temporal Information with Full Dates (the date of birth is
hidden nevertheless) and Retain Patient Characteristics.  Descriptions, labels and names of studies, series, protocols, plans
and what is in them are shown, too, since they are what people look for; whoever types a name there defeats that.  It hides
from eyes, not from code: the values behind a table are the real ones, and de-identification is another task.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from nbdicom.errors import NbdicomError
from nbdicom.table import printable

__all__ = ["HIDDEN", "hides", "is_masked", "mask", "masked", "revealed", "shown", "trace_of", "words_of"]

_HIDDEN = """
ConsultingPhysicianName ContentCreatorName CurrentObserverTrial DistributionName DocumentAuthorTrial EvaluatorName
HumanPerformerName InterpretationAuthor InterpretationRecorder InterpretationTranscriber NameOfPhysiciansReadingStudy
NamesOfIntendedRecipientsOfResults OperatorsName OrderEnteredBy OtherPatientNames PatientBirthName
PatientMotherBirthName PatientName PerformingPhysicianName PersonName PhysicianApprovingInterpretation
PhysiciansOfRecord ROIInterpreter ReferringPhysicianName RequestingPhysician ResponsiblePerson ReviewerName
ScheduledPerformingPhysicianName SecondaryReviewerName SelectorPNValue VerbalSourceTrial VerifyingObserverName
PatientID OtherPatientIDs OtherPatientIDsSequence IssuerOfPatientID IssuerOfPatientIDQualifiersSequence
TypeOfPatientID PatientBirthDate PatientBirthTime PatientBirthDateInAlternativeCalendar
PatientDeathDateInAlternativeCalendar PatientAddress PatientTelephoneNumbers PatientTelecomInformation
PersonTelephoneNumbers PersonTelecomInformation PersonAddress PersonIdentificationCodeSequence
PatientInsurancePlanCodeSequence InsurancePlanIdentification MedicalRecordLocator MilitaryRank BranchOfService
CountryOfResidence RegionOfResidence Occupation PatientReligiousPreference PatientComments AdditionalPatientHistory
PatientState MedicalAlerts Allergies PatientInstitutionResidence ScheduledPatientInstitutionResidence
CurrentPatientLocation AssignedLocation ResponsibleOrganization BreedRegistrationNumber
PatientPrimaryLanguageCodeSequence SpecialNeeds PregnancyStatus LastMenstrualDate SmokingStatus AccessionNumber
IssuerOfAccessionNumberSequence StudyID StudyIDIssuer RequestedProcedureID ScheduledProcedureStepID
PerformedProcedureStepID AdmissionID IssuerOfAdmissionID IssuerOfAdmissionIDSequence ServiceEpisodeID
IssuerOfServiceEpisodeID IssuerOfServiceEpisodeIDSequence ServiceEpisodeDescription
PlacerOrderNumberImagingServiceRequest FillerOrderNumberImagingServiceRequest PlacerOrderNumberProcedure
FillerOrderNumberProcedure PlacerOrderNumberImagingServiceRequestRetired FillerOrderNumberImagingServiceRequestRetired
OrderCallbackPhoneNumber OrderCallbackTelecomInformation OrderEntererLocation InterpretationID InterpretationIDIssuer
ResultsIDIssuer SpecimenAccessionNumber SpecimenIdentifier ContainerIdentifier ClinicalTrialSubjectID
ClinicalTrialSubjectReadingID ClinicalTrialSiteID ClinicalTrialSiteName ClinicalTrialSponsorName
ClinicalTrialProtocolID ClinicalTrialProtocolName ClinicalTrialCoordinatingCenterName
ClinicalTrialProtocolEthicsCommitteeName ClinicalTrialProtocolEthicsCommitteeApprovalNumber
IssuerOfClinicalTrialProtocolID IssuerOfClinicalTrialSiteID IssuerOfClinicalTrialSubjectID
IssuerOfClinicalTrialSubjectReadingID ReferringPhysicianAddress ReferringPhysicianTelephoneNumbers
ReferringPhysicianIdentificationSequence ConsultingPhysicianIdentificationSequence
PhysiciansOfRecordIdentificationSequence PerformingPhysicianIdentificationSequence
PhysiciansReadingStudyIdentificationSequence RequestingPhysicianIdentificationSequence
ScheduledPerformingPhysicianIdentificationSequence OperatorIdentificationSequence AuthorObserverSequence
ParticipantSequence VerifyingObserverSequence VerifyingObserverIdentificationCodeSequence
CustodialOrganizationSequence VerifyingOrganization HumanPerformerOrganization ScheduledHumanPerformersSequence
ActualHumanPerformersSequence InterpretationApproverSequence ResultsDistributionListSequence DistributionAddress
CameraOwnerName TopicAuthor IntendedRecipientsOfResultsIdentificationSequence ResponsiblePersonRole RequestingService
InstitutionName InstitutionAddress InstitutionCodeSequence InstitutionalDepartmentName
InstitutionalDepartmentTypeCodeSequence StationName StationAETitle ScheduledStationName ScheduledStationAETitle
ScheduledStationNameCodeSequence PerformedStationName PerformedStationAETitle PerformedStationNameCodeSequence
PerformedLocation ScheduledProcedureStepLocation RequestedProcedureLocation ScheduledStudyLocation
ScheduledStudyLocationAETitle DeviceSerialNumber LensSerialNumber SourceSerialNumber DetectorID XRayDetectorID
GantryID PlateID CassetteID ScheduledStationGeographicLocationCodeSequence
PerformedStationGeographicLocationCodeSequence UDISequence UniqueDeviceIdentifier AcquisitionComments FrameComments
ImageComments ImagePresentationComments IdentifyingComments StudyComments VisitComments ResultsComments TextComments
CommentsOnThePerformedProcedureStep CommentsOnTheScheduledProcedureStep RequestedProcedureComments
ImagingServiceRequestComments CommentsOnRadiationDose AssertionComments ReasonForStudy ReasonForVisit
ReasonForTheImagingServiceRequest ReasonForTheRequestedProcedure AdmittingDiagnosesDescription
DischargeDiagnosisDescription InterpretationText InterpretationDiagnosisDescription Impressions Arbitrary TextString
TextValue Signature DigitalSignaturesSequence EncryptedAttributesSequence ModifiedAttributesSequence
OriginalAttributesSequence GraphicAnnotationSequence ContentSequence IconImageSequence EncapsulatedDocument
RequestAttributesSequence ReferencedPatientPhotoSequence
RetrieveAETitle NetworkID OtherClinicalTrialProtocolIDsSequence IssuerOfClinicalTrialTimePointID
IssuerOfClinicalTrialSeriesID SecondaryCaptureDeviceID HardcopyCreationDeviceID TransducerIdentificationSequence
WaveformAnnotationSequence UnformattedTextValue SelectorAEValue SelectorASValue SelectorOBValue SelectorLOValue
SelectorLTValue SelectorSHValue SelectorUNValue SelectorSTValue SelectorUTValue SelectorURValue ReceivingAE RequestingAE
CertificateOfSigner CertifiedTimestamp NonconformingModifiedAttributesSequence NonconformingDataElementValue
ModifyingSystem SourceOfPreviousValues ReasonForTheAttributeModification Originator DestinationAE ROICreatorSequence
ROIInterpreterSequence ResultsID AdmittingDiagnosesCodeSequence MakerNote DeviceSettingDescription
ReasonForVisitCodeSequence ReasonForRequestedProcedureCodeSequence LongDeviceDescription LabelText
RTPhysicianIntentNarrative ReasonForSuperseding PriorTreatmentDoseDescription TreatmentTechniqueNotes PrescriptionNotes
FractionationNotes PrescriptionNotesSequence PatientPrimaryLanguageModifierCodeSequence ClinicalTrialTimePointID
ClinicalTrialSeriesID GPSVersionID GPSLatitudeRef GPSLatitude GPSLongitudeRef GPSLongitude GPSAltitudeRef GPSAltitude
GPSSatellites GPSStatus GPSMeasureMode GPSDOP GPSSpeedRef GPSSpeed GPSTrackRef GPSTrack GPSImgDirectionRef
GPSImgDirection GPSMapDatum GPSDestLatitudeRef GPSDestLatitude GPSDestLongitudeRef GPSDestLongitude GPSDestBearingRef
GPSDestBearing GPSDestDistanceRef GPSDestDistance GPSProcessingMethod GPSAreaInformation GPSDifferential
ModifyingDeviceID ModifiedImageDescription FlowIdentifierSequence FlowIdentifier SourceIdentifier
ReferencedPatientAliasSequence IssuerOfTheContainerIdentifierSequence IssuerOfTheSpecimenIdentifierSequence
SlideIdentifier PatientTransportArrangements ConfidentialityConstraintOnPatientDataDescription AddressTrial
TelephoneNumberTrial VerbalSourceIdentifierCodeSequenceTrial ContainerComponentID
ContentCreatorIdentificationCodeSequence TopicTitle TopicSubject TopicKeywords ReferencedDigitalSignatureSequence
ReferencedSOPInstanceMACSequence MAC InstanceOriginStatus BarcodeValue RTAccessoryHolderSlotID RTAccessoryDeviceSlotID
DeviceAlternateIdentifier DataSetTrailingPadding LensSpecification LensMake LensModel GeneratorID XRaySourceID
XRayDetectorLabel DeviceDescription TreatmentMachineName SourceManufacturer DeviceLabel ManufacturerDeviceIdentifier
AcquisitionContextSequence SpecimenPreparationSequence CurveData CurveLabel AudioComments AudioSampleData OverlayData
OverlayComments
"""
#: Keywords that are hidden, beside attributes without a keyword and those of VR PN.  Most are of other VRs; the names are
#: here for callers that know no VR.
HIDDEN = frozenset(_HIDDEN.split())


#: One for each process: what is hidden can be compared with what else is hidden, but not looked up.
_KEY = os.urandom(16)
_HERE: ContextVar[bool | None] = ContextVar("nbdicom.privacy", default=None)


class _Switch:
    """The process's own setting, which holds where no ``with`` block says something else."""

    def __init__(self) -> None:
        self.on = os.environ.get("NBDICOM_MASK", "") not in ("", "0")


_SWITCH = _Switch()


def mask(on: bool = True) -> None:
    """Hide names and identifiers from now on (or show them again) in whatever this process shows.

    The environment variable ``NBDICOM_MASK=1`` does so from the start.

    Examples
    --------
    >>> mask()
    >>> is_masked()
    True
    >>> mask(False)
    """
    _SWITCH.on = bool(on)


def is_masked() -> bool:
    """Whether names and identifiers are hidden here and now."""
    here = _HERE.get()
    return _SWITCH.on if here is None else here


@contextmanager
def masked() -> Iterator[None]:
    """Hide names and identifiers within a ``with`` block, in this thread or task."""
    token = _HERE.set(True)
    try:
        yield
    finally:
        _HERE.reset(token)


@contextmanager
def revealed() -> Iterator[None]:
    """Show names and identifiers within a ``with`` block, in this thread or task, whatever the setting."""
    token = _HERE.set(False)
    try:
        yield
    finally:
        _HERE.reset(token)


def hides(keyword: str, vr: str = "") -> bool:
    """Whether an attribute tells who somebody is, masked or not.

    Parameters
    ----------
    keyword : str
        A keyword of PS3.6, or ``"gggg,eeee"`` where there is none.
    vr : str
        Its VR, if it is known: every PN and UN is hidden.

    Examples
    --------
    >>> hides("PatientName"), hides("StudyInstanceUID"), hides("0009,1001")
    (True, False, True)
    """
    if vr in ("PN", "UN") or keyword in HIDDEN:
        return True
    # What has no keyword is private or newer than the dictionary: it can have anything in it.
    return "," in keyword


def shown(keyword: str, value: object, vr: str = "") -> object:
    """What is shown for a value: the value, or a mark in its place while it is masked.

    Equal values have equal marks as long as this process lives, so that rows of one patient can still be seen to belong
    together.  Nothing stays nothing: that an attribute is empty is no secret.

    >>> with masked():
    ...     shown("PatientName", "Doe^Jane") == shown("PatientName", "Doe^Jane"), shown("PatientName", "")
    (True, '')
    """
    if not is_masked() or value is None or value == "" or not hides(keyword, vr):
        return value
    import hashlib  # it loads all of OpenSSL, which nobody needs who hides nothing

    text = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    return f"\N{BULLET}\N{BULLET}\N{BULLET}{hashlib.blake2b(text, key=_KEY, digest_size=2).hexdigest()}"


def words_of(error: BaseException) -> str:
    """What a log says of an exception: our own words, which never quote a patient; of others the kind only.

    >>> words_of(ValueError("Doe^Jane"))
    'ValueError'
    """
    return printable(error.message) if isinstance(error, NbdicomError) else type(error).__name__


def trace_of(error: BaseException) -> str:
    """Where an exception came from, for a log: kinds and lines of code, without its text, which may quote a patient.

    >>> try:
    ...     int("Doe^Jane")
    ... except ValueError as error:
    ...     print("Doe" in trace_of(error), trace_of(error).startswith("ValueError at "))
    False True
    """
    told = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = traceback.extract_tb(current.__traceback__)
        where = " < ".join(f"{os.path.basename(f.filename)}:{f.lineno} {f.name}" for f in reversed(frames))  # noqa: PTH119
        told.append(f"{type(current).__name__} at {where or 'an unknown place'}")
        current = current.__cause__ or current.__context__
    return "; because of ".join(told)
