"""FluoroSAM in plain Python: language-promptable X-ray segmentation and DRR synthesis, without Slicer or Qt."""

__version__ = "0.1.0"
