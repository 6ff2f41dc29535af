"""What the Synthesize tab keeps in the scene. Images carry their own geometry."""

# No postponed annotations here: Slicer's wrapper reads the types when the class is made.
from slicer import vtkMRMLDisplayableNode, vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import parameterNodeWrapper


@parameterNodeWrapper
class Parameters:
    """``drrView``, ``drrSet`` and ``drrLeftOut`` are JSON: a ViewSettings, the form of the training set, and the ids
    of the structures that are not ticked. The parameter node is the module's own, which the Segment tab shares."""

    drrCT: vtkMRMLScalarVolumeNode
    drrLabels: vtkMRMLDisplayableNode
    drrImage: vtkMRMLScalarVolumeNode
    drrRegion: vtkMRMLMarkupsROINode
    drrView: str
    drrSet: str
    drrLeftOut: str
