"""PS3.6 Annex A as text, cut down to what negotiation needs: SOP Classes, transfer syntaxes, well-known UIDs.

`nbdicom.uids` reads it.  A test holds it against pydicom's dictionary.
"""

from __future__ import annotations

from typing import Final

__all__ = ["SOP_CLASS_ROWS", "TRANSFER_SYNTAX_ROWS", "WELL_KNOWN_ROWS"]

#: PS3.6 Table A-1: UID below 1.2.840.10008 | keyword | service class | name | R where retired
SOP_CLASS_ROWS: Final = """
1.1|Verification|VERIFICATION|Verification SOP Class|
1.3.10|MediaStorageDirectoryStorage|MEDIA_STORAGE|Media Storage Directory Storage|
1.9|BasicStudyContentNotification|OTHER|Basic Study Content Notification SOP Class|R
1.20.1|StorageCommitmentPushModel|STORAGE_COMMITMENT|Storage Commitment Push Model SOP Class|
1.20.2|StorageCommitmentPullModel|STORAGE_COMMITMENT|Storage Commitment Pull Model SOP Class|R
1.40|ProceduralEventLogging|APPLICATION_EVENT_LOGGING|Procedural Event Logging SOP Class|
1.42|SubstanceAdministrationLogging|APPLICATION_EVENT_LOGGING|Substance Administration Logging SOP Class|
3.1.2.1.1|DetachedPatientManagement|OTHER|Detached Patient Management SOP Class|R
3.1.2.1.4|DetachedPatientManagementMeta|OTHER|Detached Patient Management Meta SOP Class|R
3.1.2.2.1|DetachedVisitManagement|OTHER|Detached Visit Management SOP Class|R
3.1.2.3.1|DetachedStudyManagement|OTHER|Detached Study Management SOP Class|R
3.1.2.3.2|StudyComponentManagement|OTHER|Study Component Management SOP Class|R
3.1.2.3.3|ModalityPerformedProcedureStep|MODALITY_PERFORMED_PROCEDURE_STEP|Modality Performed Procedure Step SOP Class|
3.1.2.3.4|ModalityPerformedProcedureStepRetrieve|MODALITY_PERFORMED_PROCEDURE_STEP|Modality Performed Procedure Step Retrieve SOP Class|
3.1.2.3.5|ModalityPerformedProcedureStepNotification|MODALITY_PERFORMED_PROCEDURE_STEP|Modality Performed Procedure Step Notification SOP Class|
3.1.2.5.1|DetachedResultsManagement|OTHER|Detached Results Management SOP Class|R
3.1.2.5.4|DetachedResultsManagementMeta|OTHER|Detached Results Management Meta SOP Class|R
3.1.2.5.5|DetachedStudyManagementMeta|OTHER|Detached Study Management Meta SOP Class|R
3.1.2.6.1|DetachedInterpretationManagement|OTHER|Detached Interpretation Management SOP Class|R
5.1.1.1|BasicFilmSession|PRINT_MANAGEMENT|Basic Film Session SOP Class|
5.1.1.2|BasicFilmBox|PRINT_MANAGEMENT|Basic Film Box SOP Class|
5.1.1.4|BasicGrayscaleImageBox|PRINT_MANAGEMENT|Basic Grayscale Image Box SOP Class|
5.1.1.4.1|BasicColorImageBox|PRINT_MANAGEMENT|Basic Color Image Box SOP Class|
5.1.1.4.2|ReferencedImageBox|PRINT_MANAGEMENT|Referenced Image Box SOP Class|R
5.1.1.9|BasicGrayscalePrintManagementMeta|PRINT_MANAGEMENT|Basic Grayscale Print Management Meta SOP Class|
5.1.1.9.1|ReferencedGrayscalePrintManagementMeta|PRINT_MANAGEMENT|Referenced Grayscale Print Management Meta SOP Class|R
5.1.1.14|PrintJob|PRINT_MANAGEMENT|Print Job SOP Class|
5.1.1.15|BasicAnnotationBox|PRINT_MANAGEMENT|Basic Annotation Box SOP Class|
5.1.1.16|Printer|PRINT_MANAGEMENT|Printer SOP Class|
5.1.1.16.376|PrinterConfigurationRetrieval|PRINT_MANAGEMENT|Printer Configuration Retrieval SOP Class|
5.1.1.18|BasicColorPrintManagementMeta|PRINT_MANAGEMENT|Basic Color Print Management Meta SOP Class|
5.1.1.18.1|ReferencedColorPrintManagementMeta|PRINT_MANAGEMENT|Referenced Color Print Management Meta SOP Class|R
5.1.1.22|VOILUTBox|PRINT_MANAGEMENT|VOI LUT Box SOP Class|
5.1.1.23|PresentationLUT|PRINT_MANAGEMENT|Presentation LUT SOP Class|
5.1.1.24|ImageOverlayBox|PRINT_MANAGEMENT|Image Overlay Box SOP Class|R
5.1.1.24.1|BasicPrintImageOverlayBox|PRINT_MANAGEMENT|Basic Print Image Overlay Box SOP Class|R
5.1.1.26|PrintQueueManagement|PRINT_MANAGEMENT|Print Queue Management SOP Class|R
5.1.1.27|StoredPrintStorage|STORAGE|Stored Print Storage SOP Class|R
5.1.1.29|HardcopyGrayscaleImageStorage|STORAGE|Hardcopy Grayscale Image Storage SOP Class|R
5.1.1.30|HardcopyColorImageStorage|STORAGE|Hardcopy Color Image Storage SOP Class|R
5.1.1.31|PullPrintRequest|PRINT_MANAGEMENT|Pull Print Request SOP Class|R
5.1.1.32|PullStoredPrintManagementMeta|PRINT_MANAGEMENT|Pull Stored Print Management Meta SOP Class|R
5.1.1.33|MediaCreationManagement|MEDIA_CREATION|Media Creation Management SOP Class UID|
5.1.1.40|DisplaySystem|DISPLAY_SYSTEM|Display System SOP Class|
5.1.4.1.1.1|ComputedRadiographyImageStorage|STORAGE|Computed Radiography Image Storage|
5.1.4.1.1.1.1|DigitalXRayImageStorageForPresentation|STORAGE|Digital X-Ray Image Storage - For Presentation|
5.1.4.1.1.1.1.1|DigitalXRayImageStorageForProcessing|STORAGE|Digital X-Ray Image Storage - For Processing|
5.1.4.1.1.1.2|DigitalMammographyXRayImageStorageForPresentation|STORAGE|Digital Mammography X-Ray Image Storage - For Presentation|
5.1.4.1.1.1.2.1|DigitalMammographyXRayImageStorageForProcessing|STORAGE|Digital Mammography X-Ray Image Storage - For Processing|
5.1.4.1.1.1.3|DigitalIntraOralXRayImageStorageForPresentation|STORAGE|Digital Intra-Oral X-Ray Image Storage - For Presentation|
5.1.4.1.1.1.3.1|DigitalIntraOralXRayImageStorageForProcessing|STORAGE|Digital Intra-Oral X-Ray Image Storage - For Processing|
5.1.4.1.1.2|CTImageStorage|STORAGE|CT Image Storage|
5.1.4.1.1.2.1|EnhancedCTImageStorage|STORAGE|Enhanced CT Image Storage|
5.1.4.1.1.2.2|LegacyConvertedEnhancedCTImageStorage|STORAGE|Legacy Converted Enhanced CT Image Storage|
5.1.4.1.1.3|UltrasoundMultiFrameImageStorageRetired|STORAGE|Ultrasound Multi-frame Image Storage|R
5.1.4.1.1.3.1|UltrasoundMultiFrameImageStorage|STORAGE|Ultrasound Multi-frame Image Storage|
5.1.4.1.1.4|MRImageStorage|STORAGE|MR Image Storage|
5.1.4.1.1.4.1|EnhancedMRImageStorage|STORAGE|Enhanced MR Image Storage|
5.1.4.1.1.4.2|MRSpectroscopyStorage|STORAGE|MR Spectroscopy Storage|
5.1.4.1.1.4.3|EnhancedMRColorImageStorage|STORAGE|Enhanced MR Color Image Storage|
5.1.4.1.1.4.4|LegacyConvertedEnhancedMRImageStorage|STORAGE|Legacy Converted Enhanced MR Image Storage|
5.1.4.1.1.5|NuclearMedicineImageStorageRetired|STORAGE|Nuclear Medicine Image Storage|R
5.1.4.1.1.6|UltrasoundImageStorageRetired|STORAGE|Ultrasound Image Storage|R
5.1.4.1.1.6.1|UltrasoundImageStorage|STORAGE|Ultrasound Image Storage|
5.1.4.1.1.6.2|EnhancedUSVolumeStorage|STORAGE|Enhanced US Volume Storage|
5.1.4.1.1.6.3|PhotoacousticImageStorage|STORAGE|Photoacoustic Image Storage|
5.1.4.1.1.7|SecondaryCaptureImageStorage|STORAGE|Secondary Capture Image Storage|
5.1.4.1.1.7.1|MultiFrameSingleBitSecondaryCaptureImageStorage|STORAGE|Multi-frame Single Bit Secondary Capture Image Storage|
5.1.4.1.1.7.2|MultiFrameGrayscaleByteSecondaryCaptureImageStorage|STORAGE|Multi-frame Grayscale Byte Secondary Capture Image Storage|
5.1.4.1.1.7.3|MultiFrameGrayscaleWordSecondaryCaptureImageStorage|STORAGE|Multi-frame Grayscale Word Secondary Capture Image Storage|
5.1.4.1.1.7.4|MultiFrameTrueColorSecondaryCaptureImageStorage|STORAGE|Multi-frame True Color Secondary Capture Image Storage|
5.1.4.1.1.8|StandaloneOverlayStorage|STORAGE|Standalone Overlay Storage|R
5.1.4.1.1.9|StandaloneCurveStorage|STORAGE|Standalone Curve Storage|R
5.1.4.1.1.9.1|WaveformStorageTrial|STORAGE|Waveform Storage - Trial|R
5.1.4.1.1.9.1.1|TwelveLeadECGWaveformStorage|STORAGE|12-lead ECG Waveform Storage|
5.1.4.1.1.9.1.2|GeneralECGWaveformStorage|STORAGE|General ECG Waveform Storage|
5.1.4.1.1.9.1.3|AmbulatoryECGWaveformStorage|STORAGE|Ambulatory ECG Waveform Storage|
5.1.4.1.1.9.1.4|General32bitECGWaveformStorage|STORAGE|General 32-bit ECG Waveform Storage|
5.1.4.1.1.9.2.1|HemodynamicWaveformStorage|STORAGE|Hemodynamic Waveform Storage|
5.1.4.1.1.9.3.1|CardiacElectrophysiologyWaveformStorage|STORAGE|Cardiac Electrophysiology Waveform Storage|
5.1.4.1.1.9.4.1|BasicVoiceAudioWaveformStorage|STORAGE|Basic Voice Audio Waveform Storage|
5.1.4.1.1.9.4.2|GeneralAudioWaveformStorage|STORAGE|General Audio Waveform Storage|
5.1.4.1.1.9.5.1|ArterialPulseWaveformStorage|STORAGE|Arterial Pulse Waveform Storage|
5.1.4.1.1.9.6.1|RespiratoryWaveformStorage|STORAGE|Respiratory Waveform Storage|
5.1.4.1.1.9.6.2|MultichannelRespiratoryWaveformStorage|STORAGE|Multi-channel Respiratory Waveform Storage|
5.1.4.1.1.9.7.1|RoutineScalpElectroencephalogramWaveformStorage|STORAGE|Routine Scalp Electroencephalogram Waveform Storage|
5.1.4.1.1.9.7.2|ElectromyogramWaveformStorage|STORAGE|Electromyogram Waveform Storage|
5.1.4.1.1.9.7.3|ElectrooculogramWaveformStorage|STORAGE|Electrooculogram Waveform Storage|
5.1.4.1.1.9.7.4|SleepElectroencephalogramWaveformStorage|STORAGE|Sleep Electroencephalogram Waveform Storage|
5.1.4.1.1.9.8.1|BodyPositionWaveformStorage|STORAGE|Body Position Waveform Storage|
5.1.4.1.1.9.100.1|WaveformPresentationStateStorage|STORAGE|Waveform Presentation State Storage|
5.1.4.1.1.9.100.2|WaveformAcquisitionPresentationStateStorage|STORAGE|Waveform Acquisition Presentation State Storage|
5.1.4.1.1.10|StandaloneModalityLUTStorage|STORAGE|Standalone Modality LUT Storage|R
5.1.4.1.1.11|StandaloneVOILUTStorage|STORAGE|Standalone VOI LUT Storage|R
5.1.4.1.1.11.1|GrayscaleSoftcopyPresentationStateStorage|STORAGE|Grayscale Softcopy Presentation State Storage|
5.1.4.1.1.11.2|ColorSoftcopyPresentationStateStorage|STORAGE|Color Softcopy Presentation State Storage|
5.1.4.1.1.11.3|PseudoColorSoftcopyPresentationStateStorage|STORAGE|Pseudo-Color Softcopy Presentation State Storage|
5.1.4.1.1.11.4|BlendingSoftcopyPresentationStateStorage|STORAGE|Blending Softcopy Presentation State Storage|
5.1.4.1.1.11.5|XAXRFGrayscaleSoftcopyPresentationStateStorage|STORAGE|XA/XRF Grayscale Softcopy Presentation State Storage|
5.1.4.1.1.11.6|GrayscalePlanarMPRVolumetricPresentationStateStorage|STORAGE|Grayscale Planar MPR Volumetric Presentation State Storage|
5.1.4.1.1.11.7|CompositingPlanarMPRVolumetricPresentationStateStorage|STORAGE|Compositing Planar MPR Volumetric Presentation State Storage|
5.1.4.1.1.11.8|AdvancedBlendingPresentationStateStorage|STORAGE|Advanced Blending Presentation State Storage|
5.1.4.1.1.11.9|VolumeRenderingVolumetricPresentationStateStorage|STORAGE|Volume Rendering Volumetric Presentation State Storage|
5.1.4.1.1.11.10|SegmentedVolumeRenderingVolumetricPresentationStateStorage|STORAGE|Segmented Volume Rendering Volumetric Presentation State Storage|
5.1.4.1.1.11.11|MultipleVolumeRenderingVolumetricPresentationStateStorage|STORAGE|Multiple Volume Rendering Volumetric Presentation State Storage|
5.1.4.1.1.11.12|VariableModalityLUTSoftcopyPresentationStateStorage|STORAGE|Variable Modality LUT Softcopy Presentation State Storage|
5.1.4.1.1.12.1|XRayAngiographicImageStorage|STORAGE|X-Ray Angiographic Image Storage|
5.1.4.1.1.12.1.1|EnhancedXAImageStorage|STORAGE|Enhanced XA Image Storage|
5.1.4.1.1.12.2|XRayRadiofluoroscopicImageStorage|STORAGE|X-Ray Radiofluoroscopic Image Storage|
5.1.4.1.1.12.2.1|EnhancedXRFImageStorage|STORAGE|Enhanced XRF Image Storage|
5.1.4.1.1.12.3|XRayAngiographicBiPlaneImageStorage|STORAGE|X-Ray Angiographic Bi-Plane Image Storage|R
5.1.4.1.1.13.1.1|XRay3DAngiographicImageStorage|STORAGE|X-Ray 3D Angiographic Image Storage|
5.1.4.1.1.13.1.2|XRay3DCraniofacialImageStorage|STORAGE|X-Ray 3D Craniofacial Image Storage|
5.1.4.1.1.13.1.3|BreastTomosynthesisImageStorage|STORAGE|Breast Tomosynthesis Image Storage|
5.1.4.1.1.13.1.4|BreastProjectionXRayImageStorageForPresentation|STORAGE|Breast Projection X-Ray Image Storage - For Presentation|
5.1.4.1.1.13.1.5|BreastProjectionXRayImageStorageForProcessing|STORAGE|Breast Projection X-Ray Image Storage - For Processing|
5.1.4.1.1.14.1|IntravascularOpticalCoherenceTomographyImageStorageForPresentation|STORAGE|Intravascular Optical Coherence Tomography Image Storage - For Presentation|
5.1.4.1.1.14.2|IntravascularOpticalCoherenceTomographyImageStorageForProcessing|STORAGE|Intravascular Optical Coherence Tomography Image Storage - For Processing|
5.1.4.1.1.20|NuclearMedicineImageStorage|STORAGE|Nuclear Medicine Image Storage|
5.1.4.1.1.30|ParametricMapStorage|STORAGE|Parametric Map Storage|
5.1.4.1.1.66|RawDataStorage|STORAGE|Raw Data Storage|
5.1.4.1.1.66.1|SpatialRegistrationStorage|STORAGE|Spatial Registration Storage|
5.1.4.1.1.66.2|SpatialFiducialsStorage|STORAGE|Spatial Fiducials Storage|
5.1.4.1.1.66.3|DeformableSpatialRegistrationStorage|STORAGE|Deformable Spatial Registration Storage|
5.1.4.1.1.66.4|SegmentationStorage|STORAGE|Segmentation Storage|
5.1.4.1.1.66.5|SurfaceSegmentationStorage|STORAGE|Surface Segmentation Storage|
5.1.4.1.1.66.6|TractographyResultsStorage|STORAGE|Tractography Results Storage|
5.1.4.1.1.66.7|LabelMapSegmentationStorage|STORAGE|Label Map Segmentation Storage|
5.1.4.1.1.66.8|HeightMapSegmentationStorage|STORAGE|Height Map Segmentation Storage|
5.1.4.1.1.67|RealWorldValueMappingStorage|STORAGE|Real World Value Mapping Storage|
5.1.4.1.1.68.1|SurfaceScanMeshStorage|STORAGE|Surface Scan Mesh Storage|
5.1.4.1.1.68.2|SurfaceScanPointCloudStorage|STORAGE|Surface Scan Point Cloud Storage|
5.1.4.1.1.77.1|VLImageStorageTrial|STORAGE|VL Image Storage - Trial|R
5.1.4.1.1.77.2|VLMultiFrameImageStorageTrial|STORAGE|VL Multi-frame Image Storage - Trial|R
5.1.4.1.1.77.1.1|VLEndoscopicImageStorage|STORAGE|VL Endoscopic Image Storage|
5.1.4.1.1.77.1.1.1|VideoEndoscopicImageStorage|STORAGE|Video Endoscopic Image Storage|
5.1.4.1.1.77.1.2|VLMicroscopicImageStorage|STORAGE|VL Microscopic Image Storage|
5.1.4.1.1.77.1.2.1|VideoMicroscopicImageStorage|STORAGE|Video Microscopic Image Storage|
5.1.4.1.1.77.1.3|VLSlideCoordinatesMicroscopicImageStorage|STORAGE|VL Slide-Coordinates Microscopic Image Storage|
5.1.4.1.1.77.1.4|VLPhotographicImageStorage|STORAGE|VL Photographic Image Storage|
5.1.4.1.1.77.1.4.1|VideoPhotographicImageStorage|STORAGE|Video Photographic Image Storage|
5.1.4.1.1.77.1.5.1|OphthalmicPhotography8BitImageStorage|STORAGE|Ophthalmic Photography 8 Bit Image Storage|
5.1.4.1.1.77.1.5.2|OphthalmicPhotography16BitImageStorage|STORAGE|Ophthalmic Photography 16 Bit Image Storage|
5.1.4.1.1.77.1.5.3|StereometricRelationshipStorage|STORAGE|Stereometric Relationship Storage|
5.1.4.1.1.77.1.5.4|OphthalmicTomographyImageStorage|STORAGE|Ophthalmic Tomography Image Storage|
5.1.4.1.1.77.1.5.5|WideFieldOphthalmicPhotographyStereographicProjectionImageStorage|STORAGE|Wide Field Ophthalmic Photography Stereographic Projection Image Storage|
5.1.4.1.1.77.1.5.6|WideFieldOphthalmicPhotography3DCoordinatesImageStorage|STORAGE|Wide Field Ophthalmic Photography 3D Coordinates Image Storage|
5.1.4.1.1.77.1.5.7|OphthalmicOpticalCoherenceTomographyEnFaceImageStorage|STORAGE|Ophthalmic Optical Coherence Tomography En Face Image Storage|
5.1.4.1.1.77.1.5.8|OphthalmicOpticalCoherenceTomographyBscanVolumeAnalysisStorage|STORAGE|Ophthalmic Optical Coherence Tomography B-scan Volume Analysis Storage|
5.1.4.1.1.77.1.6|VLWholeSlideMicroscopyImageStorage|STORAGE|VL Whole Slide Microscopy Image Storage|
5.1.4.1.1.77.1.7|DermoscopicPhotographyImageStorage|STORAGE|Dermoscopic Photography Image Storage|
5.1.4.1.1.77.1.8|ConfocalMicroscopyImageStorage|STORAGE|Confocal Microscopy Image Storage|
5.1.4.1.1.77.1.9|ConfocalMicroscopyTiledPyramidalImageStorage|STORAGE|Confocal Microscopy Tiled Pyramidal Image Storage|
5.1.4.1.1.78.1|LensometryMeasurementsStorage|STORAGE|Lensometry Measurements Storage|
5.1.4.1.1.78.2|AutorefractionMeasurementsStorage|STORAGE|Autorefraction Measurements Storage|
5.1.4.1.1.78.3|KeratometryMeasurementsStorage|STORAGE|Keratometry Measurements Storage|
5.1.4.1.1.78.4|SubjectiveRefractionMeasurementsStorage|STORAGE|Subjective Refraction Measurements Storage|
5.1.4.1.1.78.5|VisualAcuityMeasurementsStorage|STORAGE|Visual Acuity Measurements Storage|
5.1.4.1.1.78.6|SpectaclePrescriptionReportStorage|STORAGE|Spectacle Prescription Report Storage|
5.1.4.1.1.78.7|OphthalmicAxialMeasurementsStorage|STORAGE|Ophthalmic Axial Measurements Storage|
5.1.4.1.1.78.8|IntraocularLensCalculationsStorage|STORAGE|Intraocular Lens Calculations Storage|
5.1.4.1.1.79.1|MacularGridThicknessAndVolumeReportStorage|STORAGE|Macular Grid Thickness and Volume Report Storage|
5.1.4.1.1.80.1|OphthalmicVisualFieldStaticPerimetryMeasurementsStorage|STORAGE|Ophthalmic Visual Field Static Perimetry Measurements Storage|
5.1.4.1.1.81.1|OphthalmicThicknessMapStorage|STORAGE|Ophthalmic Thickness Map Storage|
5.1.4.1.1.82.1|CornealTopographyMapStorage|STORAGE|Corneal Topography Map Storage|
5.1.4.1.1.88.1|TextSRStorageTrial|STORAGE|Text SR Storage - Trial|R
5.1.4.1.1.88.2|AudioSRStorageTrial|STORAGE|Audio SR Storage - Trial|R
5.1.4.1.1.88.3|DetailSRStorageTrial|STORAGE|Detail SR Storage - Trial|R
5.1.4.1.1.88.4|ComprehensiveSRStorageTrial|STORAGE|Comprehensive SR Storage - Trial|R
5.1.4.1.1.88.11|BasicTextSRStorage|STORAGE|Basic Text SR Storage|
5.1.4.1.1.88.22|EnhancedSRStorage|STORAGE|Enhanced SR Storage|
5.1.4.1.1.88.33|ComprehensiveSRStorage|STORAGE|Comprehensive SR Storage|
5.1.4.1.1.88.34|Comprehensive3DSRStorage|STORAGE|Comprehensive 3D SR Storage|
5.1.4.1.1.88.35|ExtensibleSRStorage|STORAGE|Extensible SR Storage|
5.1.4.1.1.88.40|ProcedureLogStorage|STORAGE|Procedure Log Storage|
5.1.4.1.1.88.50|MammographyCADSRStorage|STORAGE|Mammography CAD SR Storage|
5.1.4.1.1.88.59|KeyObjectSelectionDocumentStorage|STORAGE|Key Object Selection Document Storage|
5.1.4.1.1.88.65|ChestCADSRStorage|STORAGE|Chest CAD SR Storage|
5.1.4.1.1.88.67|XRayRadiationDoseSRStorage|STORAGE|X-Ray Radiation Dose SR Storage|
5.1.4.1.1.88.68|RadiopharmaceuticalRadiationDoseSRStorage|STORAGE|Radiopharmaceutical Radiation Dose SR Storage|
5.1.4.1.1.88.69|ColonCADSRStorage|STORAGE|Colon CAD SR Storage|
5.1.4.1.1.88.70|ImplantationPlanSRStorage|STORAGE|Implantation Plan SR Storage|
5.1.4.1.1.88.71|AcquisitionContextSRStorage|STORAGE|Acquisition Context SR Storage|
5.1.4.1.1.88.72|SimplifiedAdultEchoSRStorage|STORAGE|Simplified Adult Echo SR Storage|
5.1.4.1.1.88.73|PatientRadiationDoseSRStorage|STORAGE|Patient Radiation Dose SR Storage|
5.1.4.1.1.88.74|PlannedImagingAgentAdministrationSRStorage|STORAGE|Planned Imaging Agent Administration SR Storage|
5.1.4.1.1.88.75|PerformedImagingAgentAdministrationSRStorage|STORAGE|Performed Imaging Agent Administration SR Storage|
5.1.4.1.1.88.76|EnhancedXRayRadiationDoseSRStorage|STORAGE|Enhanced X-Ray Radiation Dose SR Storage|
5.1.4.1.1.88.77|WaveformAnnotationSRStorage|STORAGE|Waveform Annotation SR Storage|
5.1.4.1.1.90.1|ContentAssessmentResultsStorage|STORAGE|Content Assessment Results Storage|
5.1.4.1.1.91.1|MicroscopyBulkSimpleAnnotationsStorage|STORAGE|Microscopy Bulk Simple Annotations Storage|
5.1.4.1.1.104.1|EncapsulatedPDFStorage|STORAGE|Encapsulated PDF Storage|
5.1.4.1.1.104.2|EncapsulatedCDAStorage|STORAGE|Encapsulated CDA Storage|
5.1.4.1.1.104.3|EncapsulatedSTLStorage|STORAGE|Encapsulated STL Storage|
5.1.4.1.1.104.4|EncapsulatedOBJStorage|STORAGE|Encapsulated OBJ Storage|
5.1.4.1.1.104.5|EncapsulatedMTLStorage|STORAGE|Encapsulated MTL Storage|
5.1.4.1.1.128|PositronEmissionTomographyImageStorage|STORAGE|Positron Emission Tomography Image Storage|
5.1.4.1.1.128.1|LegacyConvertedEnhancedPETImageStorage|STORAGE|Legacy Converted Enhanced PET Image Storage|
5.1.4.1.1.129|StandalonePETCurveStorage|STORAGE|Standalone PET Curve Storage|R
5.1.4.1.1.130|EnhancedPETImageStorage|STORAGE|Enhanced PET Image Storage|
5.1.4.1.1.131|BasicStructuredDisplayStorage|STORAGE|Basic Structured Display Storage|
5.1.4.1.1.200.1|CTDefinedProcedureProtocolStorage|NON_PATIENT_OBJECT_STORAGE|CT Defined Procedure Protocol Storage|
5.1.4.1.1.200.2|CTPerformedProcedureProtocolStorage|STORAGE|CT Performed Procedure Protocol Storage|
5.1.4.1.1.200.3|ProtocolApprovalStorage|NON_PATIENT_OBJECT_STORAGE|Protocol Approval Storage|
5.1.4.1.1.200.4|ProtocolApprovalInformationModelFind|PROTOCOL_APPROVAL|Protocol Approval Information Model - FIND|
5.1.4.1.1.200.5|ProtocolApprovalInformationModelMove|PROTOCOL_APPROVAL|Protocol Approval Information Model - MOVE|
5.1.4.1.1.200.6|ProtocolApprovalInformationModelGet|PROTOCOL_APPROVAL|Protocol Approval Information Model - GET|
5.1.4.1.1.200.7|XADefinedProcedureProtocolStorage|NON_PATIENT_OBJECT_STORAGE|XA Defined Procedure Protocol Storage|
5.1.4.1.1.200.8|XAPerformedProcedureProtocolStorage|STORAGE|XA Performed Procedure Protocol Storage|
5.1.4.1.1.201.1|InventoryStorage|NON_PATIENT_OBJECT_STORAGE|Inventory Storage|
5.1.4.1.1.201.2|InventoryFind|INVENTORY|Inventory - FIND|
5.1.4.1.1.201.3|InventoryMove|INVENTORY|Inventory - MOVE|
5.1.4.1.1.201.4|InventoryGet|INVENTORY|Inventory - GET|
5.1.4.1.1.201.5|InventoryCreation|STORAGE_MANAGEMENT|Inventory Creation|
5.1.4.1.1.201.6|RepositoryQuery|QUERY_RETRIEVE|Repository Query|
5.1.4.1.1.481.1|RTImageStorage|STORAGE|RT Image Storage|
5.1.4.1.1.481.2|RTDoseStorage|STORAGE|RT Dose Storage|
5.1.4.1.1.481.3|RTStructureSetStorage|STORAGE|RT Structure Set Storage|
5.1.4.1.1.481.4|RTBeamsTreatmentRecordStorage|STORAGE|RT Beams Treatment Record Storage|
5.1.4.1.1.481.5|RTPlanStorage|STORAGE|RT Plan Storage|
5.1.4.1.1.481.6|RTBrachyTreatmentRecordStorage|STORAGE|RT Brachy Treatment Record Storage|
5.1.4.1.1.481.7|RTTreatmentSummaryRecordStorage|STORAGE|RT Treatment Summary Record Storage|
5.1.4.1.1.481.8|RTIonPlanStorage|STORAGE|RT Ion Plan Storage|
5.1.4.1.1.481.9|RTIonBeamsTreatmentRecordStorage|STORAGE|RT Ion Beams Treatment Record Storage|
5.1.4.1.1.481.10|RTPhysicianIntentStorage|STORAGE|RT Physician Intent Storage|
5.1.4.1.1.481.11|RTSegmentAnnotationStorage|STORAGE|RT Segment Annotation Storage|
5.1.4.1.1.481.12|RTRadiationSetStorage|STORAGE|RT Radiation Set Storage|
5.1.4.1.1.481.13|CArmPhotonElectronRadiationStorage|STORAGE|C-Arm Photon-Electron Radiation Storage|
5.1.4.1.1.481.14|TomotherapeuticRadiationStorage|STORAGE|Tomotherapeutic Radiation Storage|
5.1.4.1.1.481.15|RoboticArmRadiationStorage|STORAGE|Robotic-Arm Radiation Storage|
5.1.4.1.1.481.16|RTRadiationRecordSetStorage|STORAGE|RT Radiation Record Set Storage|
5.1.4.1.1.481.17|RTRadiationSalvageRecordStorage|STORAGE|RT Radiation Salvage Record Storage|
5.1.4.1.1.481.18|TomotherapeuticRadiationRecordStorage|STORAGE|Tomotherapeutic Radiation Record Storage|
5.1.4.1.1.481.19|CArmPhotonElectronRadiationRecordStorage|STORAGE|C-Arm Photon-Electron Radiation Record Storage|
5.1.4.1.1.481.20|RoboticRadiationRecordStorage|STORAGE|Robotic Radiation Record Storage|
5.1.4.1.1.481.21|RTRadiationSetDeliveryInstructionStorage|STORAGE|RT Radiation Set Delivery Instruction Storage|
5.1.4.1.1.481.22|RTTreatmentPreparationStorage|STORAGE|RT Treatment Preparation Storage|
5.1.4.1.1.481.23|EnhancedRTImageStorage|STORAGE|Enhanced RT Image Storage|
5.1.4.1.1.481.24|EnhancedContinuousRTImageStorage|STORAGE|Enhanced Continuous RT Image Storage|
5.1.4.1.1.481.25|RTPatientPositionAcquisitionInstructionStorage|STORAGE|RT Patient Position Acquisition Instruction Storage|
5.1.4.1.1.501.1|DICOSCTImageStorage|STORAGE|DICOS CT Image Storage|
5.1.4.1.1.501.2.1|DICOSDigitalXRayImageStorageForPresentation|STORAGE|DICOS Digital X-Ray Image Storage - For Presentation|
5.1.4.1.1.501.2.2|DICOSDigitalXRayImageStorageForProcessing|STORAGE|DICOS Digital X-Ray Image Storage - For Processing|
5.1.4.1.1.501.3|DICOSThreatDetectionReportStorage|STORAGE|DICOS Threat Detection Report Storage|
5.1.4.1.1.501.4|DICOS2DAITStorage|STORAGE|DICOS 2D AIT Storage|
5.1.4.1.1.501.5|DICOS3DAITStorage|STORAGE|DICOS 3D AIT Storage|
5.1.4.1.1.501.6|DICOSQuadrupoleResonanceStorage|STORAGE|DICOS Quadrupole Resonance (QR) Storage|
5.1.4.1.1.601.1|EddyCurrentImageStorage|STORAGE|Eddy Current Image Storage|
5.1.4.1.1.601.2|EddyCurrentMultiFrameImageStorage|STORAGE|Eddy Current Multi-frame Image Storage|
5.1.4.1.2.1.1|PatientRootQueryRetrieveInformationModelFind|QUERY_RETRIEVE|Patient Root Query/Retrieve Information Model - FIND|
5.1.4.1.2.1.2|PatientRootQueryRetrieveInformationModelMove|QUERY_RETRIEVE|Patient Root Query/Retrieve Information Model - MOVE|
5.1.4.1.2.1.3|PatientRootQueryRetrieveInformationModelGet|QUERY_RETRIEVE|Patient Root Query/Retrieve Information Model - GET|
5.1.4.1.2.2.1|StudyRootQueryRetrieveInformationModelFind|QUERY_RETRIEVE|Study Root Query/Retrieve Information Model - FIND|
5.1.4.1.2.2.2|StudyRootQueryRetrieveInformationModelMove|QUERY_RETRIEVE|Study Root Query/Retrieve Information Model - MOVE|
5.1.4.1.2.2.3|StudyRootQueryRetrieveInformationModelGet|QUERY_RETRIEVE|Study Root Query/Retrieve Information Model - GET|
5.1.4.1.2.3.1|PatientStudyOnlyQueryRetrieveInformationModelFind|QUERY_RETRIEVE|Patient/Study Only Query/Retrieve Information Model - FIND|R
5.1.4.1.2.3.2|PatientStudyOnlyQueryRetrieveInformationModelMove|QUERY_RETRIEVE|Patient/Study Only Query/Retrieve Information Model - MOVE|R
5.1.4.1.2.3.3|PatientStudyOnlyQueryRetrieveInformationModelGet|QUERY_RETRIEVE|Patient/Study Only Query/Retrieve Information Model - GET|R
5.1.4.1.2.4.2|CompositeInstanceRootRetrieveMove|QUERY_RETRIEVE|Composite Instance Root Retrieve - MOVE|
5.1.4.1.2.4.3|CompositeInstanceRootRetrieveGet|QUERY_RETRIEVE|Composite Instance Root Retrieve - GET|
5.1.4.1.2.5.3|CompositeInstanceRetrieveWithoutBulkDataGet|QUERY_RETRIEVE|Composite Instance Retrieve Without Bulk Data - GET|
5.1.4.20.1|DefinedProcedureProtocolInformationModelFind|DEFINED_PROCEDURE_PROTOCOL|Defined Procedure Protocol Information Model - FIND|
5.1.4.20.2|DefinedProcedureProtocolInformationModelMove|DEFINED_PROCEDURE_PROTOCOL|Defined Procedure Protocol Information Model - MOVE|
5.1.4.20.3|DefinedProcedureProtocolInformationModelGet|DEFINED_PROCEDURE_PROTOCOL|Defined Procedure Protocol Information Model - GET|
5.1.4.31|ModalityWorklistInformationModelFind|BASIC_WORKLIST|Modality Worklist Information Model - FIND|
5.1.4.32|GeneralPurposeWorklistManagementMeta|OTHER|General Purpose Worklist Management Meta SOP Class|R
5.1.4.32.1|GeneralPurposeWorklistInformationModelFind|OTHER|General Purpose Worklist Information Model - FIND|R
5.1.4.32.2|GeneralPurposeScheduledProcedureStep|OTHER|General Purpose Scheduled Procedure Step SOP Class|R
5.1.4.32.3|GeneralPurposePerformedProcedureStep|OTHER|General Purpose Performed Procedure Step SOP Class|R
5.1.4.33|InstanceAvailabilityNotification|INSTANCE_AVAILABILITY|Instance Availability Notification SOP Class|
5.1.4.34.1|RTBeamsDeliveryInstructionStorageTrial|STORAGE|RT Beams Delivery Instruction Storage - Trial|R
5.1.4.34.2|RTConventionalMachineVerificationTrial|OTHER|RT Conventional Machine Verification - Trial|R
5.1.4.34.3|RTIonMachineVerificationTrial|OTHER|RT Ion Machine Verification - Trial|R
5.1.4.34.4.1|UnifiedProcedureStepPushTrial|UNIFIED_PROCEDURE_STEP|Unified Procedure Step - Push SOP Class - Trial|R
5.1.4.34.4.2|UnifiedProcedureStepWatchTrial|UNIFIED_PROCEDURE_STEP|Unified Procedure Step - Watch SOP Class - Trial|R
5.1.4.34.4.3|UnifiedProcedureStepPullTrial|UNIFIED_PROCEDURE_STEP|Unified Procedure Step - Pull SOP Class - Trial|R
5.1.4.34.4.4|UnifiedProcedureStepEventTrial|UNIFIED_PROCEDURE_STEP|Unified Procedure Step - Event SOP Class - Trial|R
5.1.4.34.6.1|UnifiedProcedureStepPush|UNIFIED_PROCEDURE_STEP|Unified Procedure Step - Push SOP Class|
5.1.4.34.6.2|UnifiedProcedureStepWatch|UNIFIED_PROCEDURE_STEP|Unified Procedure Step - Watch SOP Class|
5.1.4.34.6.3|UnifiedProcedureStepPull|UNIFIED_PROCEDURE_STEP|Unified Procedure Step - Pull SOP Class|
5.1.4.34.6.4|UnifiedProcedureStepEvent|UNIFIED_PROCEDURE_STEP|Unified Procedure Step - Event SOP Class|
5.1.4.34.6.5|UnifiedProcedureStepQuery|UNIFIED_PROCEDURE_STEP|Unified Procedure Step - Query SOP Class|
5.1.4.34.7|RTBeamsDeliveryInstructionStorage|STORAGE|RT Beams Delivery Instruction Storage|
5.1.4.34.8|RTConventionalMachineVerification|RT_MACHINE_VERIFICATION|RT Conventional Machine Verification|
5.1.4.34.9|RTIonMachineVerification|RT_MACHINE_VERIFICATION|RT Ion Machine Verification|
5.1.4.34.10|RTBrachyApplicationSetupDeliveryInstructionStorage|STORAGE|RT Brachy Application Setup Delivery Instruction Storage|
5.1.4.37.1|GeneralRelevantPatientInformationQuery|RELEVANT_PATIENT_INFORMATION|General Relevant Patient Information Query|
5.1.4.37.2|BreastImagingRelevantPatientInformationQuery|RELEVANT_PATIENT_INFORMATION|Breast Imaging Relevant Patient Information Query|
5.1.4.37.3|CardiacRelevantPatientInformationQuery|RELEVANT_PATIENT_INFORMATION|Cardiac Relevant Patient Information Query|
5.1.4.38.1|HangingProtocolStorage|NON_PATIENT_OBJECT_STORAGE|Hanging Protocol Storage|
5.1.4.38.2|HangingProtocolInformationModelFind|HANGING_PROTOCOL|Hanging Protocol Information Model - FIND|
5.1.4.38.3|HangingProtocolInformationModelMove|HANGING_PROTOCOL|Hanging Protocol Information Model - MOVE|
5.1.4.38.4|HangingProtocolInformationModelGet|HANGING_PROTOCOL|Hanging Protocol Information Model - GET|
5.1.4.39.1|ColorPaletteStorage|NON_PATIENT_OBJECT_STORAGE|Color Palette Storage|
5.1.4.39.2|ColorPaletteQueryRetrieveInformationModelFind|COLOR_PALETTE|Color Palette Query/Retrieve Information Model - FIND|
5.1.4.39.3|ColorPaletteQueryRetrieveInformationModelMove|COLOR_PALETTE|Color Palette Query/Retrieve Information Model - MOVE|
5.1.4.39.4|ColorPaletteQueryRetrieveInformationModelGet|COLOR_PALETTE|Color Palette Query/Retrieve Information Model - GET|
5.1.4.41|ProductCharacteristicsQuery|SUBSTANCE_ADMINISTRATION|Product Characteristics Query SOP Class|
5.1.4.42|SubstanceApprovalQuery|SUBSTANCE_ADMINISTRATION|Substance Approval Query SOP Class|
5.1.4.43.1|GenericImplantTemplateStorage|NON_PATIENT_OBJECT_STORAGE|Generic Implant Template Storage|
5.1.4.43.2|GenericImplantTemplateInformationModelFind|IMPLANT_TEMPLATE|Generic Implant Template Information Model - FIND|
5.1.4.43.3|GenericImplantTemplateInformationModelMove|IMPLANT_TEMPLATE|Generic Implant Template Information Model - MOVE|
5.1.4.43.4|GenericImplantTemplateInformationModelGet|IMPLANT_TEMPLATE|Generic Implant Template Information Model - GET|
5.1.4.44.1|ImplantAssemblyTemplateStorage|NON_PATIENT_OBJECT_STORAGE|Implant Assembly Template Storage|
5.1.4.44.2|ImplantAssemblyTemplateInformationModelFind|IMPLANT_TEMPLATE|Implant Assembly Template Information Model - FIND|
5.1.4.44.3|ImplantAssemblyTemplateInformationModelMove|IMPLANT_TEMPLATE|Implant Assembly Template Information Model - MOVE|
5.1.4.44.4|ImplantAssemblyTemplateInformationModelGet|IMPLANT_TEMPLATE|Implant Assembly Template Information Model - GET|
5.1.4.45.1|ImplantTemplateGroupStorage|NON_PATIENT_OBJECT_STORAGE|Implant Template Group Storage|
5.1.4.45.2|ImplantTemplateGroupInformationModelFind|IMPLANT_TEMPLATE|Implant Template Group Information Model - FIND|
5.1.4.45.3|ImplantTemplateGroupInformationModelMove|IMPLANT_TEMPLATE|Implant Template Group Information Model - MOVE|
5.1.4.45.4|ImplantTemplateGroupInformationModelGet|IMPLANT_TEMPLATE|Implant Template Group Information Model - GET|
10.1|VideoEndoscopicImageRealTimeCommunication|OTHER|Video Endoscopic Image Real-Time Communication|
10.2|VideoPhotographicImageRealTimeCommunication|OTHER|Video Photographic Image Real-Time Communication|
10.3|AudioWaveformRealTimeCommunication|OTHER|Audio Waveform Real-Time Communication|
10.4|RenditionSelectionDocumentRealTimeCommunication|OTHER|Rendition Selection Document Real-Time Communication|
"""

#: PS3.6 Table A-1: UID below 1.2.840.10008 | keyword | name | R where retired
TRANSFER_SYNTAX_ROWS: Final = """
1.2|ImplicitVRLittleEndian|Implicit VR Little Endian|
1.2.1|ExplicitVRLittleEndian|Explicit VR Little Endian|
1.2.1.98|EncapsulatedUncompressedExplicitVRLittleEndian|Encapsulated Uncompressed Explicit VR Little Endian|
1.2.1.99|DeflatedExplicitVRLittleEndian|Deflated Explicit VR Little Endian|
1.2.2|ExplicitVRBigEndian|Explicit VR Big Endian|R
1.2.4.50|JPEGBaseline8Bit|JPEG Baseline (Process 1)|
1.2.4.51|JPEGExtended12Bit|JPEG Extended (Process 2 and 4)|
1.2.4.52|JPEGExtended35|JPEG Extended (Process 3 and 5)|R
1.2.4.53|JPEGSpectralSelectionNonHierarchical68|JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)|R
1.2.4.54|JPEGSpectralSelectionNonHierarchical79|JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)|R
1.2.4.55|JPEGFullProgressionNonHierarchical1012|JPEG Full Progression, Non-Hierarchical (Process 10 and 12)|R
1.2.4.56|JPEGFullProgressionNonHierarchical1113|JPEG Full Progression, Non-Hierarchical (Process 11 and 13)|R
1.2.4.57|JPEGLossless|JPEG Lossless, Non-Hierarchical (Process 14)|
1.2.4.58|JPEGLosslessNonHierarchical15|JPEG Lossless, Non-Hierarchical (Process 15)|R
1.2.4.59|JPEGExtendedHierarchical1618|JPEG Extended, Hierarchical (Process 16 and 18)|R
1.2.4.60|JPEGExtendedHierarchical1719|JPEG Extended, Hierarchical (Process 17 and 19)|R
1.2.4.61|JPEGSpectralSelectionHierarchical2022|JPEG Spectral Selection, Hierarchical (Process 20 and 22)|R
1.2.4.62|JPEGSpectralSelectionHierarchical2123|JPEG Spectral Selection, Hierarchical (Process 21 and 23)|R
1.2.4.63|JPEGFullProgressionHierarchical2426|JPEG Full Progression, Hierarchical (Process 24 and 26)|R
1.2.4.64|JPEGFullProgressionHierarchical2527|JPEG Full Progression, Hierarchical (Process 25 and 27)|R
1.2.4.65|JPEGLosslessHierarchical28|JPEG Lossless, Hierarchical (Process 28)|R
1.2.4.66|JPEGLosslessHierarchical29|JPEG Lossless, Hierarchical (Process 29)|R
1.2.4.70|JPEGLosslessSV1|JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])|
1.2.4.80|JPEGLSLossless|JPEG-LS Lossless Image Compression|
1.2.4.81|JPEGLSNearLossless|JPEG-LS Lossy (Near-Lossless) Image Compression|
1.2.4.90|JPEG2000Lossless|JPEG 2000 Image Compression (Lossless Only)|
1.2.4.91|JPEG2000|JPEG 2000 Image Compression|
1.2.4.92|JPEG2000MCLossless|JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)|
1.2.4.93|JPEG2000MC|JPEG 2000 Part 2 Multi-component Image Compression|
1.2.4.94|JPIPReferenced|JPIP Referenced|
1.2.4.95|JPIPReferencedDeflate|JPIP Referenced Deflate|
1.2.4.100|MPEG2MPML|MPEG2 Main Profile / Main Level|
1.2.4.100.1|MPEG2MPMLF|Fragmentable MPEG2 Main Profile / Main Level|
1.2.4.101|MPEG2MPHL|MPEG2 Main Profile / High Level|
1.2.4.101.1|MPEG2MPHLF|Fragmentable MPEG2 Main Profile / High Level|
1.2.4.102|MPEG4HP41|MPEG-4 AVC/H.264 High Profile / Level 4.1|
1.2.4.102.1|MPEG4HP41F|Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1|
1.2.4.103|MPEG4HP41BD|MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1|
1.2.4.103.1|MPEG4HP41BDF|Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1|
1.2.4.104|MPEG4HP422D|MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video|
1.2.4.104.1|MPEG4HP422DF|Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video|
1.2.4.105|MPEG4HP423D|MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video|
1.2.4.105.1|MPEG4HP423DF|Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video|
1.2.4.106|MPEG4HP42STEREO|MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2|
1.2.4.106.1|MPEG4HP42STEREOF|Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2|
1.2.4.107|HEVCMP51|HEVC/H.265 Main Profile / Level 5.1|
1.2.4.108|HEVCM10P51|HEVC/H.265 Main 10 Profile / Level 5.1|
1.2.4.110|JPEGXLLossless|JPEG XL Lossless|
1.2.4.111|JPEGXLJPEGRecompression|JPEG XL JPEG Recompression|
1.2.4.112|JPEGXL|JPEG XL|
1.2.4.201|HTJ2KLossless|High-Throughput JPEG 2000 Image Compression (Lossless Only)|
1.2.4.202|HTJ2KLosslessRPCL|High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)|
1.2.4.203|HTJ2K|High-Throughput JPEG 2000 Image Compression|
1.2.4.204|JPIPHTJ2KReferenced|JPIP HTJ2K Referenced|
1.2.4.205|JPIPHTJ2KReferencedDeflate|JPIP HTJ2K Referenced Deflate|
1.2.5|RLELossless|RLE Lossless|
1.2.6.1|RFC2557MIMEEncapsulation|RFC 2557 MIME encapsulation|R
1.2.6.2|XMLEncoding|XML Encoding|R
1.2.7.1|SMPTEST211020UncompressedProgressiveActiveVideo|SMPTE ST 2110-20 Uncompressed Progressive Active Video|
1.2.7.2|SMPTEST211020UncompressedInterlacedActiveVideo|SMPTE ST 2110-20 Uncompressed Interlaced Active Video|
1.2.7.3|SMPTEST211030PCMDigitalAudio|SMPTE ST 2110-30 PCM Digital Audio|
1.2.8.1|DeflatedImageFrameCompression|Deflated Image Frame Compression|
1.20|Papyrus3ImplicitVRLittleEndian|Papyrus 3 Implicit VR Little Endian|R
"""

#: PS3.6 Table A-1: well-known SOP Instances and service classes: UID below 1.2.840.10008 | keyword | name | R where retired
WELL_KNOWN_ROWS: Final = """
1.5.1|HotIronPalette|Hot Iron Color Palette SOP Instance|
1.5.2|PETPalette|PET Color Palette SOP Instance|
1.5.3|HotMetalBluePalette|Hot Metal Blue Color Palette SOP Instance|
1.5.4|PET20StepPalette|PET 20 Step Color Palette SOP Instance|
1.5.5|SpringPalette|Spring Color Palette SOP Instance|
1.5.6|SummerPalette|Summer Color Palette SOP Instance|
1.5.7|FallPalette|Fall Color Palette SOP Instance|
1.5.8|WinterPalette|Winter Color Palette SOP Instance|
1.20.1.1|StorageCommitmentPushModelInstance|Storage Commitment Push Model SOP Instance|
1.20.2.1|StorageCommitmentPullModelInstance|Storage Commitment Pull Model SOP Instance|R
1.40.1|ProceduralEventLoggingInstance|Procedural Event Logging SOP Instance|
1.42.1|SubstanceAdministrationLoggingInstance|Substance Administration Logging SOP Instance|
4.2|Storage|Storage Service Class|
5.1.1.17|PrinterInstance|Printer SOP Instance|
5.1.1.17.376|PrinterConfigurationRetrievalInstance|Printer Configuration Retrieval SOP Instance|
5.1.1.25|PrintQueueInstance|Print Queue SOP Instance|R
5.1.1.40.1|DisplaySystemInstance|Display System SOP Instance|
5.1.4.1.1.201.1.1|StorageManagementInstance|Storage Management SOP Instance|
5.1.4.34.4|UnifiedWorklistAndProcedureStepTrial|Unified Worklist and Procedure Step Service Class - Trial|R
5.1.4.34.5|UPSGlobalSubscriptionInstance|UPS Global Subscription SOP Instance|
5.1.4.34.5.1|UPSFilteredGlobalSubscriptionInstance|UPS Filtered Global Subscription SOP Instance|
5.1.4.34.6|UnifiedWorklistAndProcedureStep|Unified Worklist and Procedure Step Service Class|
3.1.1.1|DICOMApplicationContext|DICOM Application Context Name|
"""
