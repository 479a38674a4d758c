//! Profiles with a LUT (`A2B0`) for three colours or four inks, applied to each pixel.
//!
//! moxcms makes a grid of sRGB colours of such a profile. Between two nodes of which one is beyond sRGB it shows colours that are
//! too pale: 146 of red in the cyan of an XYB JPEG. Here the profile's own grid is interpolated, its result goes to linear
//! sRGB, and each channel is clipped there, as in skcms (browsers) and Little CMS.
//!
//! Three colours are as in skcms: multilinear interpolation, and black is what the profile says. Four inks are as in Little CMS:
//! tetrahedral interpolation, and black-point compensation (`cmscnvrt.c`, `cmssamp.c`). See
//! `docs/adr/046-tone-mapping-and-black-point.md`.

use moxcms::{
    ColorProfile, DataColorSpace, LutDataType, LutMultidimensionalType, LutStore, LutType, LutWarehouse,
    ProfileVersion,
};

use super::curve::Curve;
use super::srgb::{self, Matrix};
use super::{PixelTransform, srgb::multiply};

/// White of the profile connection space (ICC.1:2022, 7.2.16).
const D50: [f32; 3] = [0.9642, 1.0, 0.8249];

/// XYZ in D50 to linear sRGB: the inverse of the colorants of sRGB's profiles.
const XYZ_TO_SRGB: Matrix = [
    [3.133_856, -1.616_866_7, -0.490_614_6],
    [-0.978_768_4, 1.916_141_5, 0.033_454],
    [0.071_945_3, -0.228_991_4, 1.405_242_7],
];

pub(super) struct LutTransform<'p> {
    table: Lut<'p>,
    black: BlackPoint,
}

impl<'p> LutTransform<'p> {
    /// `None` if the LUT is not complete, or for another number of channels than `inputs`.
    pub(super) fn new(profile: &ColorProfile, lut: &'p LutWarehouse, inputs: usize) -> Option<Self> {
        let table = match lut {
            LutWarehouse::Lut(lut) => Lut::of_tables(lut, inputs, profile.pcs)?,
            LutWarehouse::Multidimensional(lut) => Lut::of_elements(lut, inputs, profile.pcs)?,
        };
        let black = match inputs {
            3 => BlackPoint::KEPT,
            _ if profile.version() >= ProfileVersion::V4_0 => BlackPoint::compensated(PERCEPTUAL_BLACK),
            _ => BlackPoint::compensated(darkest(table.xyz([1.0; 4]))),
        };
        Some(Self { table, black })
    }
}

impl PixelTransform for LutTransform<'_> {
    fn convert(&self, samples: [f32; 4]) -> [u8; 3] {
        srgb::encode(multiply(&XYZ_TO_SRGB, self.black.apply(self.table.xyz(samples))))
    }
}

/// Black of the perceptual intent in profiles of version 4, in XYZ (ICC.1:2022, 6.3.3).
const PERCEPTUAL_BLACK: [f32; 3] = [0.003_36, 0.003_473_1, 0.002_87];

/// Black-point compensation: a straight line in each of X, Y and Z that leaves white and moves the profile's black to sRGB's
/// (`ComputeBlackPointCompensation` of Little CMS).
struct BlackPoint {
    scale: [f32; 3],
    offset: [f32; 3],
}

impl BlackPoint {
    const KEPT: Self = Self { scale: [1.0; 3], offset: [0.0; 3] };

    fn compensated(black: [f32; 3]) -> Self {
        let scale = [0, 1, 2].map(|i| D50[i] / (D50[i] - black[i]));
        Self { scale, offset: [0, 1, 2].map(|i| -black[i] * scale[i]) }
    }

    fn apply(&self, xyz: [f32; 3]) -> [f32; 3] {
        [0, 1, 2].map(|i| xyz[i] * self.scale[i] + self.offset[i])
    }
}

/// The black point of version 2: all inks at once, and no lighter than L* = 50 (`cmsDetectBlackPoint` of Little CMS 2.19).
fn darkest(all_inks: [f32; 3]) -> [f32; 3] {
    const LIGHTEST: f32 = (50.0 + 16.0) / 116.0;
    let root =
        |t: f32| if t > (6.0_f32 / 29.0).powi(3) { t.cbrt() } else { t * (841.0 / 108.0) + 4.0 / 29.0 };
    let [x, y, z] = [0, 1, 2].map(|i| root(all_inks[i] / D50[i]));
    let excess = (y - LIGHTEST).max(0.0);
    // A blue that is lighter than white in Z would turn the straight line upside down.
    let shares = [x, y, z].map(|t| light(t - excess).min(0.9));
    [0, 1, 2].map(|i| shares[i] * D50[i])
}

/// From the cube root that L*a*b* is made of.
fn light(t: f32) -> f32 {
    if t > 6.0 / 29.0 { t * t * t } else { (t - 4.0 / 29.0) * (108.0 / 841.0) }
}

/// Device to profile connection space. The order of the elements is that of `lutAToBType` (ICC.1:2022, 10.12); those of
/// `lut8Type` and `lut16Type` are some of them.
struct Lut<'p> {
    /// The A curves, one for each input, or none.
    inputs: Vec<Curve>,
    grid: Option<Grid<'p>>,
    /// The M curves with the matrix and its offset.
    matrix: Option<(Vec<Curve>, Matrix, [f32; 3])>,
    /// The B curves.
    outputs: Vec<Curve>,
    encoding: Encoding,
}

impl<'p> Lut<'p> {
    fn of_tables(lut: &'p LutDataType, inputs: usize, pcs: DataColorSpace) -> Option<Self> {
        if (usize::from(lut.num_input_channels), lut.num_output_channels) != (inputs, 3) {
            return None;
        }
        let tables = |store, count, entries: u16| Curve::tables(store, count, usize::from(entries));
        Some(Self {
            inputs: tables(&lut.input_table, inputs, lut.num_input_table_entries)?,
            grid: Some(Grid::new(&lut.clut_table, &vec![lut.num_clut_grid_points; inputs])?),
            // Of XYZ alone (ICC.1:2022, 10.10).
            matrix: None,
            outputs: tables(&lut.output_table, 3, lut.num_output_table_entries)?,
            encoding: Encoding::of(pcs, lut.lut_type == LutType::Lut16)?,
        })
    }

    fn of_elements(lut: &'p LutMultidimensionalType, inputs: usize, pcs: DataColorSpace) -> Option<Self> {
        let curves = |curves: &[_]| curves.iter().map(Curve::of).collect::<Option<Vec<Curve>>>();
        if (usize::from(lut.num_input_channels), lut.num_output_channels) != (inputs, 3) {
            return None;
        }
        // Without a grid there are three inputs and no A curves.
        let (a_curves, grid) = match &lut.clut {
            Some(store) => (curves(&lut.a_curves)?, Some(Grid::new(store, lut.grid_points.get(..inputs)?)?)),
            None if inputs == 3 => (Vec::new(), None),
            None => return None,
        };
        let [m_curves, outputs] = [curves(&lut.m_curves)?, curves(&lut.b_curves)?];
        let is_whole = [(&a_curves, inputs), (&m_curves, 3), (&outputs, 3)]
            .iter()
            .all(|(curves, count)| curves.is_empty() || curves.len() == *count);
        if !is_whole {
            return None;
        }
        let matrix = lut.matrix.v.map(|row| row.map(narrowed));
        let matrix = (!m_curves.is_empty()).then_some((m_curves, matrix, lut.bias.v.map(narrowed)));
        Some(Self { inputs: a_curves, grid, matrix, outputs, encoding: Encoding::of(pcs, false)? })
    }

    fn xyz(&self, mut device: [f32; 4]) -> [f32; 3] {
        for (value, curve) in device.iter_mut().zip(&self.inputs) {
            *value = curve.at(*value);
        }
        let mut values = match &self.grid {
            Some(grid) => grid.at(device),
            None => [device[0], device[1], device[2]],
        };
        if let Some((curves, matrix, offset)) = &self.matrix {
            let bent = [0, 1, 2].map(|i| curves[i].at(values[i]));
            let turned = multiply(matrix, bent);
            values = [0, 1, 2].map(|i| turned[i] + offset[i]);
        }
        for (value, curve) in values.iter_mut().zip(&self.outputs) {
            *value = curve.at(*value);
        }
        self.encoding.to_xyz(values)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a number of 16.16 bits")]
fn narrowed(value: f64) -> f32 {
    value as f32
}

/// How the values of a LUT stand for colours (ICC.1:2022, 6.3.4.2 and 10.10).
#[derive(Clone, Copy)]
enum Encoding {
    Xyz,
    /// L* 0 to 100, a* and b* −128 to 127.
    Lab,
    /// The same in the 16 bits of version 2, where 0xff00 is 100 and 127. `lut16Type` has it in version 4 too.
    OldLab,
}

impl Encoding {
    fn of(pcs: DataColorSpace, is_lut16: bool) -> Option<Self> {
        match pcs {
            DataColorSpace::Xyz => Some(Self::Xyz),
            DataColorSpace::Lab if is_lut16 => Some(Self::OldLab),
            DataColorSpace::Lab => Some(Self::Lab),
            _ => None,
        }
    }

    fn to_xyz(self, values: [f32; 3]) -> [f32; 3] {
        const OLD: f32 = 65_535.0 / 65_280.0;
        let [lightness, red, yellow] = match self {
            Self::Xyz => return values.map(|value| value * (1.0 + 32_767.0 / 32_768.0)),
            Self::Lab => values,
            Self::OldLab => values.map(|value| value * OLD),
        };
        let y = (lightness * 100.0 + 16.0) / 116.0;
        let x = y + (red * 255.0 - 128.0) / 500.0;
        let z = y - (yellow * 255.0 - 128.0) / 200.0;
        [D50[0] * light(x), D50[1] * light(y), D50[2] * light(z)]
    }
}

/// Nodes of three values each. The last input changes fastest.
struct Grid<'p> {
    nodes: &'p LutStore,
    /// Of each input: nodes along it less one, and by how many values the next node is further.
    axes: [(f32, usize); 4],
    inputs: usize,
}

impl<'p> Grid<'p> {
    /// `None` if there are other nodes than the sides say.
    fn new(nodes: &'p LutStore, sides: &[u8]) -> Option<Self> {
        let mut axes = [(0.0, 0); 4];
        let mut step = 3_usize;
        for (axis, &side) in axes.get_mut(..sides.len())?.iter_mut().zip(sides).rev() {
            *axis = (f32::from(side.checked_sub(2)? + 1), step);
            step = step.checked_mul(usize::from(side))?;
        }
        let values = match nodes {
            LutStore::Store8(values) => values.len(),
            LutStore::Store16(values) => values.len(),
        };
        (values == step).then_some(Self { nodes, axes, inputs: sides.len() })
    }

    fn at(&self, device: [f32; 4]) -> [f32; 3] {
        let mut first = 0;
        let mut parts = [(0.0, 0); 4];
        for ((part, (last, step)), value) in parts.iter_mut().zip(self.axes).zip(device) {
            let position = value.clamp(0.0, 1.0) * last;
            // Up to the last node but one: the last is its neighbour.
            let node = whole(position.min(last - 1.0).max(0.0));
            first += usize::from(node) * step;
            *part = (position - f32::from(node), step);
        }
        let [a, b, c, d] = parts;
        let values = if self.inputs == 4 {
            let (share, step) = a;
            let [near, far] = [first, first + step].map(|node| self.tetrahedral(node, [b, c, d]));
            [0, 1, 2].map(|i| near[i] + (far[i] - near[i]) * share)
        } else {
            self.trilinear(first, [a, b, c])
        };
        let largest = if matches!(self.nodes, LutStore::Store8(_)) { 255.0 } else { 65_535.0 };
        values.map(|value| value * (1.0 / largest))
    }

    fn trilinear(&self, first: usize, parts: [(f32, usize); 3]) -> [f32; 3] {
        let mut sum = [0.0; 3];
        for corner in 0..8 {
            let (mut weight, mut node) = (1.0, first);
            for (axis, (share, step)) in parts.into_iter().enumerate() {
                let is_far = corner >> axis & 1 == 1;
                weight *= if is_far { share } else { 1.0 - share };
                node += if is_far { step } else { 0 };
            }
            if weight > 0.0 {
                let values = self.node(node);
                sum = [0, 1, 2].map(|i| sum[i] + weight * values[i]);
            }
        }
        sum
    }

    /// From the first corner of a cube along its edges to the last, the longest way first.
    fn tetrahedral(&self, first: usize, [a, b, c]: [(f32, usize); 3]) -> [f32; 3] {
        let longer_first = |a: (f32, usize), b: (f32, usize)| if a.0 < b.0 { (b, a) } else { (a, b) };
        let (a, b) = longer_first(a, b);
        let (b, c) = longer_first(b, c);
        let (a, b) = longer_first(a, b);
        let mut node = first;
        let mut values = self.node(node);
        let mut sum = values;
        for (share, step) in [a, b, c] {
            node += step;
            let next = self.node(node);
            sum = [0, 1, 2].map(|i| sum[i] + share * (next[i] - values[i]));
            values = next;
        }
        sum
    }

    /// As the file has it, 0 to 255 or to 65,535.
    fn node(&self, at: usize) -> [f32; 3] {
        match self.nodes {
            LutStore::Store8(values) => triple(values, at).map(f32::from),
            LutStore::Store16(values) => triple(values, at).map(f32::from),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 254")]
fn whole(value: f32) -> u8 {
    value as u8
}

fn triple<T: Copy + Default>(values: &[T], at: usize) -> [T; 3] {
    values.get(at..).and_then(<[T]>::first_chunk).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
