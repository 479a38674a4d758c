//! The few statistics that the report needs.

/// The middle value, or the mean of the two in the middle; `None` of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The median of the ratios of the same round: what slows one round down slows both sides of it.
pub(crate) fn median_ratio(ours: &[f64], theirs: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> = ours.iter().zip(theirs).filter(|(_, t)| **t > 0.0).map(|(o, t)| o / t).collect();
    median(&ratios)
}

/// The geometric mean: what a ratio is on average. `None` of nothing.
pub(crate) fn geometric_mean(ratios: &[f64]) -> Option<f64> {
    let count = u32::try_from(ratios.len()).ok().filter(|n| *n > 0)?;
    Some((ratios.iter().map(|r| r.ln()).sum::<f64>() / f64::from(count)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
    }

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        close(median(&[9.0, 1.0, 5.0]), 5.0);
        close(median(&[4.0, 1.0, 100.0, 2.0]), 3.0);
        close(median(&[7.0]), 7.0);
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The second round was slow for both: a ratio of medians would be 10 / 25.
        close(median_ratio(&[10.0, 60.0, 10.0], &[20.0, 120.0, 25.0]), 0.5);
        assert_eq!(median_ratio(&[1.0], &[0.0]), None);
    }

    #[test]
    fn half_and_double_are_one_on_average() {
        close(geometric_mean(&[0.5, 2.0]), 1.0);
        close(geometric_mean(&[0.25, 1.0]), 0.5);
        assert_eq!(geometric_mean(&[]), None);
    }
}
