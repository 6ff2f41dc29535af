"""Detector images on their way to the eye: quantum noise, and the window they are shown in."""

from __future__ import annotations

import math

import numpy as np

from .errors import BeamError

# Spread of quantum noise to neighbour pixels, as measured by Wang et al. (2014) and used by DeepDRR.
_NOISE_SPREAD = np.array([[0.03, 0.06, 0.02], [0.11, 0.98, 0.11], [0.02, 0.06, 0.03]])
_DARKEST = 1e-6


def add_noise(
    intensity: np.ndarray, photons: float, rng: np.random.Generator, correlated: bool = True
) -> np.ndarray:
    """Quantum noise of a detector that counts ``photons`` a pixel in the open beam; float32 (H, W), not below 0.

    The Poisson deviation of each pixel spreads to its neighbours by the kernel of Wang et al. (2014), which
    leaves mean and variance (within 0.6 %) as they are and correlates neighbours; not so with correlated=False.
    Typical counts run from 1e4 to 5e5. The same generator state gives the same image.

    intensity: (H, W) relative to the open beam. Raises BeamError for another shape, for negative or non-finite
    values, a photon count that is not above zero, and a generator of another type.
    """
    intensity = checked_image(intensity, "the intensity")
    if not isinstance(rng, np.random.Generator):
        raise BeamError(f"noise needs a numpy Generator (numpy.random.default_rng), not {type(rng).__name__}")
    if (
        isinstance(photons, bool)
        or not isinstance(photons, (int, float, np.number))
        or not 0 < photons < 1e15
    ):
        raise BeamError(f"the photon count must be a number above zero and below 1e15, not {photons!r}")
    expected = np.pad(intensity.astype(np.float64), 1, mode="edge") * float(photons)
    deviation = rng.poisson(expected) - expected
    height, width = intensity.shape
    if not correlated:
        spread = deviation[1:-1, 1:-1]
    else:
        spread = np.zeros((height, width))
        for (row, column), weight in np.ndenumerate(_NOISE_SPREAD):
            spread += weight * deviation[row : row + height, column : column + width]
    return np.maximum(intensity + spread / float(photons), 0).astype(np.float32)


OPEN_BEAM = 0.2
"""Attenuation up to which a pixel is beside the patient: that of a centimetre of water."""


def display(intensity: np.ndarray, percentiles: tuple[float, float] = (2.0, 98.0)) -> np.ndarray:
    """The image as it is read: negative logarithm, windowed, float32 (H, W) in 0 to 1, bone bright.

    percentiles: of the negative logarithm, those that become 0 and 1; open beam beside the patient does not
    count, where there is a patient. An image without contrast is 0 throughout. Pixels without signal count
    as a millionth of the open beam.

    Raises BeamError for an intensity that is no (H, W) image of finite numbers from 0 up, and for percentiles
    that are not ascending within 0 to 100.
    """
    attenuation = attenuation_image(intensity)
    low, high = percentiles
    if not (math.isfinite(low) and math.isfinite(high) and 0 <= low < high <= 100):
        raise BeamError(f"percentiles must ascend within 0 to 100, not {percentiles!r}")
    patient = attenuation[attenuation > OPEN_BEAM]
    counted = patient if patient.size >= 0.05 * attenuation.size else attenuation
    dark, bright = np.percentile(counted, (low, high))
    if bright - dark < 1e-6:
        return np.zeros(attenuation.shape, dtype=np.float32)
    return np.clip((attenuation - dark) / (bright - dark), 0, 1).astype(np.float32)


def attenuation_image(intensity: np.ndarray) -> np.ndarray:
    """The negative logarithm of an intensity, float32 (H, W); pixels without signal count as a millionth."""
    return -np.log(np.maximum(checked_image(intensity, "the intensity"), np.float32(_DARKEST)))


def checked_image(array, what: str) -> np.ndarray:
    """The array as float32 (H, W). Raises BeamError where it is none, negative or not finite."""
    array = np.asarray(array)
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iuf":
        raise BeamError(f"{what} must be a 2-D image of numbers (H, W)")
    if not np.isfinite(array).all() or array.min() < 0:
        raise BeamError(f"{what} holds values that are negative or not finite")
    return array.astype(np.float32, copy=False)
