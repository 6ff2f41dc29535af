"""What the Segment tab keeps in the scene about itself. Prompts and results are kept with each image."""

# No postponed annotations here: Slicer's wrapper reads the types when the class is made.
from slicer import vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import parameterNodeWrapper


@parameterNodeWrapper
class Parameters:
    """``image`` is what is worked on, ``segment`` the id of the segment that clicks go to."""

    image: vtkMRMLScalarVolumeNode
    text: str
    segment: str
    tool: str
    groupParts: bool
