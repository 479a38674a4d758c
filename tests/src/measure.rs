//! Figures out of times and log lines.

use serde_json::Value;

/// Times in milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<f64>);

impl Times {
    /// Sorted for [`Times::percentile`].
    #[must_use]
    pub fn new(mut milliseconds: Vec<f64>) -> Self {
        milliseconds.sort_by(f64::total_cmp);
        Self(milliseconds)
    }

    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        Self::new(self.0)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time that `percent` of all do not exceed (nearest rank); NaN of none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or(f64::NAN)
    }

    /// The 50th percentile.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.percentile(50)
    }
}

/// The upload handler's own time in milliseconds, from its log line about a request for an upload:
/// `{"message":"request served","route":"POST …","duration_us":2100,…}`.
#[must_use]
pub fn handler_milliseconds(line: &str) -> Option<f64> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let ours = entry["message"] == "request served" && entry["route"].as_str()?.starts_with("POST");
    ours.then(|| entry["duration_us"].as_f64().map(|microseconds| microseconds / 1000.0))?
}

/// The CPU time of the process that the upload handler took, in milliseconds, from the metrics that it logs of a request for an
/// upload: `{"route":"POST …","cpu_ms":1.2,…}`.
#[must_use]
pub fn handler_cpu_milliseconds(line: &str) -> Option<f64> {
    let entry: Value = serde_json::from_str(line).ok()?;
    entry["route"].as_str()?.starts_with("POST").then(|| entry["cpu_ms"].as_f64())?
}

/// The time that Lambda reports, in milliseconds: `REPORT RequestId: … Duration: 1.23 ms Billed Duration: …`, with tabs
/// between.
#[must_use]
pub fn reported_milliseconds(line: &str) -> Option<f64> {
    let (_, rest) = line.strip_prefix("REPORT ")?.split_once("Duration: ")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times = Times::new(vec![5.0, 1.0, 4.0, 2.0, 3.0]);
        let table = [(0, 1.0), (1, 1.0), (20, 1.0), (21, 2.0), (50, 3.0), (99, 5.0), (100, 5.0)];
        for (percent, expected) in table {
            assert!((times.percentile(percent) - expected).abs() < f64::EPSILON, "{percent} %");
        }
        assert!(Times::default().median().is_nan());
    }

    #[test]
    fn only_an_upload_s_lines_count() {
        let line = |route: &str| {
            format!(r#"{{"message":"request served","route":"{route}","duration_us":2100,"status":201}}"#)
        };
        assert_eq!(handler_milliseconds(&line("POST /api/v4/photo/upload")), Some(2.1));
        assert_eq!(handler_milliseconds(&line("GET /health")), None);
        assert_eq!(handler_milliseconds("START RequestId: x"), None);
        assert_eq!(handler_cpu_milliseconds(&line("POST /api/v4/photo/upload")), None);
        let used =
            |route: &str| format!(r#"{{"Function":"upload","route":"{route}","cpu_ms":1.25,"status":201}}"#);
        assert_eq!(handler_cpu_milliseconds(&used("POST /api/v4/photo/upload")), Some(1.25));
        assert_eq!(handler_cpu_milliseconds(&used("GET /health")), None);
        let report = "REPORT RequestId: x\tDuration: 1.23 ms\tBilled Duration: 2 ms";
        assert_eq!(reported_milliseconds(report), Some(1.23));
        assert_eq!(reported_milliseconds("END RequestId: x"), None);
    }
}
