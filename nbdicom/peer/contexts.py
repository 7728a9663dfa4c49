"""The presentation contexts that a C-GET needs: storage SOP Classes for which we take the SCP role (PS3.7 D.3.3.4).

An association has room for 128 contexts and there are more storage SOP Classes, each with a dozen transfer syntaxes.
The acceptor chooses one transfer syntax per context, and a stored compressed object goes out only if *its* syntax was
chosen. So: the fewer classes, the more contexts for each; known classes come from the table of answers.  What one
association has no room for is asked for on further ones, see `nbdicom.peer.missing`.
"""

from __future__ import annotations

from collections.abc import Iterable

from nbdicom.core.negotiation import MAX_CONTEXTS, PresentationContext
from nbdicom.uids import DEFAULT_TRANSFER_SYNTAXES, UID, sop_class, transfer_syntaxes

__all__ = ["COMMON_STORAGE", "COMPRESSED", "retrieve_contexts", "single_contexts"]

#: What archives hold, where nothing is known about an archive: the classes of today's equipment, and old ones that are
#: still met.  With two contexts each they fit into one association.
_COMMON = """
ComputedRadiographyImageStorage DigitalXRayImageStorageForPresentation DigitalXRayImageStorageForProcessing
DigitalMammographyXRayImageStorageForPresentation DigitalMammographyXRayImageStorageForProcessing
BreastTomosynthesisImageStorage BreastProjectionXRayImageStorageForPresentation
DigitalIntraOralXRayImageStorageForPresentation CTImageStorage EnhancedCTImageStorage
LegacyConvertedEnhancedCTImageStorage MRImageStorage EnhancedMRImageStorage MRSpectroscopyStorage
EnhancedMRColorImageStorage LegacyConvertedEnhancedMRImageStorage UltrasoundImageStorage
UltrasoundMultiFrameImageStorage EnhancedUSVolumeStorage UltrasoundMultiFrameImageStorageRetired
UltrasoundImageStorageRetired SecondaryCaptureImageStorage MultiFrameSingleBitSecondaryCaptureImageStorage
MultiFrameGrayscaleByteSecondaryCaptureImageStorage MultiFrameGrayscaleWordSecondaryCaptureImageStorage
MultiFrameTrueColorSecondaryCaptureImageStorage XRayAngiographicImageStorage EnhancedXAImageStorage
XRayRadiofluoroscopicImageStorage EnhancedXRFImageStorage XRay3DAngiographicImageStorage
XRay3DCraniofacialImageStorage NuclearMedicineImageStorage PositronEmissionTomographyImageStorage
EnhancedPETImageStorage RTImageStorage RTDoseStorage RTStructureSetStorage RTPlanStorage RTIonPlanStorage
RTBeamsTreatmentRecordStorage RTTreatmentSummaryRecordStorage SegmentationStorage SpatialRegistrationStorage
DeformableSpatialRegistrationStorage ParametricMapStorage RealWorldValueMappingStorage RawDataStorage
GrayscaleSoftcopyPresentationStateStorage ColorSoftcopyPresentationStateStorage KeyObjectSelectionDocumentStorage
BasicTextSRStorage EnhancedSRStorage ComprehensiveSRStorage Comprehensive3DSRStorage XRayRadiationDoseSRStorage
EncapsulatedPDFStorage TwelveLeadECGWaveformStorage VLEndoscopicImageStorage VLPhotographicImageStorage
VLWholeSlideMicroscopyImageStorage OphthalmicTomographyImageStorage OphthalmicPhotography8BitImageStorage
"""
COMMON_STORAGE: tuple[UID, ...] = tuple(map(UID.of, _COMMON.split()))

#: Compressed transfer syntaxes, those first that archives store most.
_COMPRESSED_NAMES = """
JPEGLosslessSV1 JPEG2000Lossless JPEGLSLossless JPEGBaseline8Bit JPEG2000 RLELossless JPEGExtended12Bit JPEGLossless
JPEGLSNearLossless HTJ2KLossless HTJ2K MPEG4HP41 MPEG2MPML DeflatedExplicitVRLittleEndian
"""
COMPRESSED: tuple[UID, ...] = tuple(map(UID.of, _COMPRESSED_NAMES.split()))

#: Every other one, for peers of which few SOP Classes are wanted.
_OTHERS: tuple[UID, ...] = tuple(
    entry.uid for entry in transfer_syntaxes(retired=True) if entry.uid not in (*DEFAULT_TRANSFER_SYNTAXES, *COMPRESSED)
)


def retrieve_contexts(classes: Iterable[str] = ()) -> list[PresentationContext]:
    """Storage contexts with the SCP role for us, beside that of the retrieval.

    Parameters
    ----------
    classes : iterable of str
        The SOP Classes that are wanted; without any, those that archives commonly hold.

    Returns
    -------
    list of PresentationContext
        For each class as many contexts as there is room for; of more classes than fit, those that the standard knows.
    """
    wanted = sorted(set(map(UID, classes)), key=lambda uid: (sop_class(uid) is None, uid)) or list(COMMON_STORAGE)
    room = MAX_CONTEXTS - 1
    wanted = wanted[:room]
    groups = _groups(room // len(wanted))
    return [PresentationContext(uid, group, scu_role=False, scp_role=True) for uid in wanted for group in groups]


def single_contexts(sop_class_uid: str, transfer_syntaxes: Iterable[str] = ()) -> list[PresentationContext]:
    """Storage contexts for one SOP Class, with the SCP role for us and each transfer syntax alone.

    Parameters
    ----------
    sop_class_uid : str
        The SOP Class.
    transfer_syntaxes : iterable of str
        Those in which a peer has its instances.  The default ones follow, in case that it rather decodes them.  Without
        any: every transfer syntax.
    """
    named = [(UID(syntax),) for syntax in transfer_syntaxes]
    groups = [*named, DEFAULT_TRANSFER_SYNTAXES] if named else _groups(MAX_CONTEXTS)
    return [PresentationContext(UID(sop_class_uid), group, scu_role=False, scp_role=True) for group in groups]


def _groups(room: int) -> list[tuple[UID, ...]]:
    """Transfer syntaxes in at most *room* groups; what stands alone is sent as it is stored, without a conversion."""
    if room == 1:
        return [DEFAULT_TRANSFER_SYNTAXES]
    if room == 2:
        return [DEFAULT_TRANSFER_SYNTAXES, COMPRESSED]
    alone = (*DEFAULT_TRANSFER_SYNTAXES, *COMPRESSED)
    if room >= len(alone) + len(_OTHERS):
        return [(syntax,) for syntax in (*alone, *_OTHERS)]
    if room > len(alone):
        return [*((syntax,) for syntax in alone), _OTHERS]
    if room == len(alone):
        return [(syntax,) for syntax in alone]
    return [*((syntax,) for syntax in alone[: room - 1]), alone[room - 1 :]]
