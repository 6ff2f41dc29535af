"""From area densities to the picture a detector, a vendor and a hospital make of them: B at once, on any device.

Planes are float32 (B, S, S); ``seen`` and ``patient`` are bool (B, S, S), where a picture is in its square and where
a ray of it went through the patient. Nothing here waits for a device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .technique import Technique

PATIENT = 0.1
"""Share of the thickest place above which a ray went through the patient."""

FEWEST = 0.05
"""Share of a picture that the patient must fill to set its exposure."""

FINE = 4
"""Pixels that a blur of the picture reaches: deviations up to 1.4."""

LOOK = 4
"""Every so many pixels of a row and a column are looked at for shares of all."""


def expose(
    soft: Tensor,
    bone: Tensor,
    metal: Tensor,
    patient: Tensor,
    seen: Tensor,
    technique: Technique,
    noise: Tensor,
) -> Tensor:
    """Area densities in g/cm2 -> attenuation picture, bone bright, any range: beam, haze, noise, logarithm.

    ``noise`` is normal, of deviation 1.
    """
    soft = soft * _each(technique.tissue) + clouds(technique, soft.shape[-1]) * (soft > 1)
    # Bone of another thickness of cortex, and denser in one place than in another.
    bone = bone.clamp(min=0) ** _each(technique.cortex) * _each(technique.bone)
    bone = bone * (technique.rows @ technique.columns).exp_()
    intensity = torch.zeros_like(soft)
    for beam in technique.beams.unbind(1):
        per_soft, per_bone, per_metal = (_each(one) for one in beam.neg().unbind(1))
        intensity += (per_soft * soft).addcmul_(per_bone, bone).addcmul_(per_metal, metal).exp_()
    # Automatic exposure: 1 is what arrives behind the patient. Scatter, noise and the floor of the detector are in
    # proportion to that, and it saturates somewhere above.
    behind = quantiles(intensity, patient, 0.5)[:, 0]
    level = torch.where(_filled(patient, seen), behind, torch.where(seen, intensity, 0).amax((1, 2)))
    intensity = intensity / _each(level.clamp(min=1e-6))
    height = seen[:, :, 0].sum(1)
    intensity = intensity + _each(technique.scatter) * broad(intensity.clamp(max=2), height / 8)
    intensity = torch.minimum(intensity, _each(technique.saturation))
    coarse = _each(technique.coarse) > 0
    noise = torch.where(coarse, 2 * blurred(noise, torch.full_like(technique.coarse, 0.8), 2), noise)
    intensity = intensity + noise * (intensity / _each(technique.photons)).sqrt_()
    return -(intensity.clamp_(min=0) + _each(technique.floor)).log_()


def expose_again(
    attenuation: Tensor, metal: Tensor, seen: Tensor, technique: Technique, noise: Tensor
) -> Tensor:
    """Attenuation -ln(intensity / open beam) of an exposure that was made -> of one like it, any range.

    Beam, scatter and detector are in it already; tissue and metal (g/cm2) are put in the way, and half of the
    pictures get more of the noise that grows where few photons arrive.
    """
    per_soft, per_metal = (_each(one) for one in technique.again.unbind(1))
    patient = attenuation > 0.2
    added = clouds(technique, attenuation.shape[-1]) * patient
    attenuation = attenuation + per_soft * added + per_metal * metal
    middle = quantiles(attenuation, patient & seen, 0.5)[:, 0]
    grain = (attenuation - _each(middle)).clamp(-4, 3).div(2).exp()
    return attenuation + _each(technique.grain) * torch.where(
        middle.isfinite()[:, None, None], grain * noise, 0
    )


def develop(pixels: Tensor, patient: Tensor, seen: Tensor, technique: Technique) -> Tensor:
    """Window, gamma, local contrast, sharpening or blur: any range -> [0, 1]."""
    by_patient = (technique.of_patient > 0) & _filled(patient, seen)
    low, high = quantiles(
        pixels, torch.where(by_patient[:, None, None], patient, seen), technique.limits
    ).unbind(1)
    pixels = ((pixels - _each(low)) / _each((high - low).clamp(min=1e-6))).clamp_(0, 1)
    pixels = pixels ** _each(technique.gamma)
    equalise, deviation, of_around, of_rest = technique.equalised.unbind(1)
    around = broad(pixels, deviation)
    local = around * _each(of_around) + (pixels - around) * _each(of_rest)
    least = torch.where(seen, local, torch.inf).amin((1, 2))
    range_ = torch.where(seen, local, -torch.inf).amax((1, 2)) - least
    pixels = torch.where(_each(equalise) > 0, (local - _each(least)) / _each(range_.clamp(min=1e-6)), pixels)
    soft = blurred(pixels, technique.blur, FINE)
    pixels = (pixels + _each(technique.sharp) * (pixels - soft)).clamp_(0, 1)
    width = seen[:, 0].sum(1)
    across = torch.arange(pixels.shape[-1], device=pixels.device) / (width[:, None] - 1) * 2 - 1
    pixels = pixels + (technique.tilt[:, None] * across)[:, None]
    return torch.where(_each(technique.inverted) > 0, 1 - pixels, pixels).clamp_(0, 1)


def behind_patient(thickness: Tensor, seen: Tensor) -> Tensor:
    """Where a ray went through the patient, from area density or attenuation."""
    return seen & (thickness > PATIENT * _each(quantiles(thickness, seen, 0.99)[:, 0]))


def clouds(technique: Technique, size: int) -> Tensor:
    """Tissue that is too much or missing, g/cm2."""
    quarter = size // 4
    place = torch.arange(quarter, device=technique.clouds.device)
    centre_y, centre_x, a, b, turn, soft, density = technique.clouds[:, :, None, None].unbind(-1)
    y, x = place[:, None] - centre_y / 4, place - centre_x / 4
    cos, sin = turn.cos(), turn.sin()
    far = ((x * cos + y * sin) / (a / 4)) ** 2 + ((y * cos - x * sin) / (b / 4)) ** 2
    form = torch.where(soft > 0, torch.exp(-0.5 * far), torch.sigmoid(9 * (1 - far)))
    return enlarged((density * form).sum(1))


def broad(planes: Tensor, deviation: Tensor) -> Tensor:
    """Gaussians of ``deviation`` (B,), 4 pixels to an eighth of S, in a sixteenth of the pixels."""
    small = F.avg_pool2d(planes[:, None], 4)[:, 0]
    return enlarged(blurred(small, deviation / 4, planes.shape[-1] // 16, truncate=2))


def enlarged(small: Tensor) -> Tensor:
    """Four times the sides, linear."""
    return F.interpolate(small[:, None], scale_factor=4, mode="bilinear")[:, 0]


def blurred(planes: Tensor, deviation: Tensor, reach: int, truncate: float = 2.5) -> Tensor:
    """Gaussians of ``deviation`` (B,) over (B, ..., S, S), mirrored at the edges, ``reach`` pixels far at most."""
    far = torch.arange(-reach, reach + 1, device=planes.device)[:, None]
    weights = torch.exp(-0.5 * (far / deviation.clamp(min=1e-3)) ** 2)
    weights = torch.where(far.abs() <= (truncate * deviation + 0.5).floor(), weights, 0)
    weights = (weights / weights.sum(0)).view(len(weights), -1, *[1] * (planes.ndim - 1))
    for axis in (-1, -2):
        side = planes.shape[axis]
        ends = planes.narrow(axis, 0, reach).flip(axis), planes.narrow(axis, side - reach, reach).flip(axis)
        wide = torch.cat([ends[0], planes, ends[1]], axis)
        planes = wide.narrow(axis, 0, side) * weights[0]
        for step in range(1, len(weights)):
            planes.addcmul_(wide.narrow(axis, step, side), weights[step])
    return planes


def quantiles(planes: Tensor, where: Tensor, shares: Tensor | float) -> Tensor:
    """Values (B, Q) below which ``shares``, (B, Q) or one number, of the pixels ``where`` lie.

    Not finite in a picture that has none.
    """
    values, where = (each[:, ::LOOK, ::LOOK].flatten(1) for each in (planes, where))
    ordered = torch.where(where, values, torch.inf).sort(1).values
    last = (where.sum(1, keepdim=True) - 1).clamp(min=0)
    place = last * shares
    below = place.long()
    above = torch.minimum(below + 1, last)
    return torch.lerp(ordered.gather(1, below), ordered.gather(1, above), place - below)


def _filled(patient: Tensor, seen: Tensor) -> Tensor:
    """Whether the patient fills enough of a picture, bool (B,)."""
    return patient.sum((1, 2)) > FEWEST * seen.sum((1, 2))


def _each(values: Tensor) -> Tensor:
    """A value a picture (B,), for its pixels."""
    return values[:, None, None]
