//! Curves of one channel as tables.

use moxcms::{LutStore, ToneReprCurve};

/// Steps of a table that stands for a formula.
const STEPS: u16 = 4096;

/// A function of one channel, from 0..=1.
pub(super) struct Curve {
    /// At least two values at equal distances.
    table: Vec<f32>,
    /// What goes on below 0 and above 1. A table without a formula ends there.
    formula: Option<Formula>,
    /// Whether the table gives back what it is given.
    is_straight: bool,
}

impl Curve {
    /// Tabulates a function.
    pub(super) fn sampled(function: impl Fn(f32) -> f32) -> Self {
        Self::new((0..=STEPS).map(|step| function(f32::from(step) / f32::from(STEPS))).collect())
    }

    fn new(table: Vec<f32>) -> Self {
        let mut curve = Self { table, formula: None, is_straight: false };
        curve.is_straight = (0..=STEPS).all(|step| {
            let x = f32::from(step) / f32::from(STEPS);
            (curve.at(x) - x).abs() < 1e-5
        });
        curve
    }

    /// `None` if the curve has an impossible number of parameters.
    pub(super) fn of(curve: &ToneReprCurve) -> Option<Self> {
        match curve {
            // No entry is a straight line, one is a gamma in 1/256 (ICC.1:2022, 10.6).
            ToneReprCurve::Lut(table) if table.is_empty() => Formula::new(&[1.0]).map(Self::by_formula),
            ToneReprCurve::Lut(table) if table.len() == 1 => {
                Formula::new(&[f32::from(table[0]) / 256.0]).map(Self::by_formula)
            }
            ToneReprCurve::Lut(table) => Some(Self::new(table.iter().map(|&v| sixteen(v)).collect())),
            ToneReprCurve::Parametric(parameters) => Formula::new(parameters).map(Self::by_formula),
        }
    }

    fn by_formula(formula: Formula) -> Self {
        Self { formula: Some(formula), ..Self::sampled(|x| formula.at(x)) }
    }

    /// The tables of a `lut8Type` or `lut16Type`, one after the other, of `count` channels. `None` if they are not that long.
    pub(super) fn tables(store: &LutStore, count: usize, entries: usize) -> Option<Vec<Self>> {
        let values: Vec<f32> = match store {
            LutStore::Store8(values) => values.iter().map(|&v| eight(v)).collect(),
            LutStore::Store16(values) => values.iter().map(|&v| sixteen(v)).collect(),
        };
        if entries < 2 || values.len() != count * entries {
            return None;
        }
        Some(values.chunks(entries).map(|table| Self::new(table.to_vec())).collect())
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "an index into a table of at most 65,535 values"
    )]
    pub(super) fn at(&self, x: f32) -> f32 {
        if let Some(formula) = &self.formula
            && !(0.0..=1.0).contains(&x)
        {
            return formula.at(x);
        }
        if self.is_straight {
            return x.clamp(0.0, 1.0);
        }
        let last = self.table.len() - 1;
        let position = x.clamp(0.0, 1.0) * last as f32;
        let index = (position as usize).min(last - 1);
        let (a, b) = (self.table[index], self.table[index + 1]);
        a + (b - a) * (position - index as f32)
    }
}

/// `parametricCurveType` (ICC.1:2022, 10.18): `(a x + b)^g + e` from `d` on, and `c x + f` below.
#[derive(Clone, Copy)]
struct Formula {
    g: f32,
    a: f32,
    b: f32,
    c: f32,
    d: f32,
    e: f32,
    f: f32,
}

#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
impl Formula {
    fn new(parameters: &[f32]) -> Option<Self> {
        let [g, a, b, c, d, e, f] = match *parameters {
            [g] => [g, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            [g, a, b] => [g, a, b, 0.0, -b / a, 0.0, 0.0],
            [g, a, b, c] => [g, a, b, 0.0, -b / a, c, c],
            [g, a, b, c, d] => [g, a, b, c, d, 0.0, 0.0],
            [g, a, b, c, d, e, f] => [g, a, b, c, d, e, f],
            _ => return None,
        };
        Some(Self { g, a, b, c, d, e, f })
    }

    /// Odd, as in skcms: what is below black comes out below black.
    fn at(&self, x: f32) -> f32 {
        let Self { g, a, b, c, d, e, f } = *self;
        let magnitude = x.abs();
        let value = if magnitude < d { c * magnitude + f } else { (a * magnitude + b).max(0.0).powf(g) + e };
        if x < 0.0 { -value } else { value }
    }
}

pub(super) fn eight(value: u8) -> f32 {
    f32::from(value) / 255.0
}

pub(super) fn sixteen(value: u16) -> f32 {
    f32::from(value) / 65_535.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_near(actual: f32, expected: f32) {
        assert!((actual - expected).abs() < 1e-4, "{actual}, not {expected}");
    }

    #[test]
    fn tables_are_interpolated_and_end_at_their_ends() {
        let curve = Curve::of(&ToneReprCurve::Lut(vec![0, 65_535, 32_768])).unwrap();
        for (x, expected) in [(-1.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.75, 0.75), (1.0, 0.5), (9.0, 0.5)] {
            assert_near(curve.at(x), expected);
        }
        assert!(curve.at(f32::NAN).is_nan());
        let tables = Curve::tables(&LutStore::Store8(vec![0, 255, 255, 0]), 2, 2).unwrap();
        assert_near(tables[1].at(0.25), 0.75);
        assert!(Curve::tables(&LutStore::Store8(vec![0, 255, 255]), 2, 2).is_none());
    }

    #[test]
    fn formulas_go_on_beyond_their_range() {
        for (parameters, x, expected) in [
            (vec![3.0], 1.5, 3.375),
            (vec![3.0], -0.5, -0.125),
            (vec![2.0, 2.0, -0.5], 0.2, 0.0),
            (vec![2.0, 2.0, -0.5], 0.5, 0.25),
            (vec![2.0, 1.0, 0.0, 0.1], 0.5, 0.35),
            (vec![2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.040_45], 0.5, 0.214_04),
            (vec![2.0, 1.0, 0.0, 0.5, 0.5, 0.25, 0.1], 0.2, 0.2),
            (vec![2.0, 1.0, 0.0, 0.5, 0.5, 0.25, 0.1], 0.5, 0.5),
        ] {
            let curve = Curve::of(&ToneReprCurve::Parametric(parameters)).unwrap();
            assert_near(curve.at(x), expected);
        }
        assert!(Curve::of(&ToneReprCurve::Parametric(vec![1.0, 2.0])).is_none());
        assert_near(Curve::of(&ToneReprCurve::Lut(vec![512])).unwrap().at(0.5), 0.25);
        assert_near(Curve::of(&ToneReprCurve::Lut(vec![])).unwrap().at(0.3), 0.3);
    }
}
