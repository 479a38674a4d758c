//! The picture of docs/PERFORMANCE.md: bars of CPU time and of memory for each photo, on light and dark pages.

use std::fmt::Write;

use crate::contender::{PHOTODROP, SHARP, SHARP_EQUAL};
use crate::run::{PhotoResult, Results};
use crate::stats::median;

const WIDTH: f64 = 960.0;
const LABELS: f64 = 190.0;
const PANEL: f64 = 300.0;
const GAP: f64 = 75.0;
const THICK: f64 = 11.0;
const TOP: f64 = 92.0;

/// Class of a bar's colour, and its length for a photo.
type Bar = (&'static str, fn(&PhotoResult) -> f64);

struct Bars {
    title: &'static str,
    bars: Vec<Bar>,
}

fn cpu(photo: &PhotoResult, contender: usize) -> f64 {
    median(&photo.runs[contender].cpu_ms).unwrap_or(0.0)
}

fn peak(photo: &PhotoResult, contender: usize) -> f64 {
    median(&photo.runs[contender].peak_kib).unwrap_or(0.0) / 1024.0
}

pub(crate) fn svg(results: &Results) -> String {
    let panels = [
        Bars {
            title: "CPU time, ms",
            bars: vec![
                ("sharp", |p| cpu(p, SHARP)),
                ("equal", |p| cpu(p, SHARP_EQUAL)),
                ("ours", |p| cpu(p, PHOTODROP)),
            ],
        },
        Bars {
            title: "Peak memory, MiB",
            bars: vec![("sharp", |p| peak(p, SHARP)), ("ours", |p| peak(p, PHOTODROP))],
        },
    ];
    let row = 3.0 * THICK + 17.0;
    let count = u32::try_from(results.photos.len()).unwrap_or(0);
    let height = TOP + f64::from(count) * row + 14.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"CPU time and peak memory of sharp and photodrop for each photo\">\n{STYLE}\n"
    );
    for (x, class, name) in [
        (0.0, "sharp", "sharp, cascade, as it ships"),
        (260.0, "equal", "sharp at photodrop's WebP effort"),
        (570.0, "ours", "photodrop, as it ships"),
    ] {
        let _ =
            writeln!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"20\" width=\"14\" height=\"14\" rx=\"2\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"32\">{name}</text>", x + 20.0);
    }
    for (index, photo) in (0..).zip(&results.photos) {
        let y = TOP + f64::from(index) * row + 1.6 * THICK + 3.0;
        let _ = writeln!(
            svg,
            "<text class=\"label\" x=\"{}\" y=\"{y}\">{}</text>",
            LABELS - 12.0,
            escaped(&photo.name)
        );
    }
    for (index, panel) in (0..).zip(&panels) {
        let left = LABELS + f64::from(index) * (PANEL + GAP + 50.0);
        draw(&mut svg, panel, left, &results.photos, row);
    }
    svg.push_str("</svg>\n");
    svg
}

/// A file may have any name.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn draw(svg: &mut String, panel: &Bars, left: f64, photos: &[PhotoResult], row: f64) {
    let values = photos.iter().flat_map(|p| panel.bars.iter().map(move |(_, value)| value(p)));
    let longest = values.fold(1.0, f64::max);
    let _ = writeln!(svg, "<text class=\"title\" x=\"{left}\" y=\"{}\">{}</text>", TOP - 20.0, panel.title);
    let _ = writeln!(
        svg,
        "<line x1=\"{left}\" x2=\"{left}\" y1=\"{}\" y2=\"{}\"/>",
        TOP - 8.0,
        TOP + row * f64::from(u32::try_from(photos.len()).unwrap_or(0)) - 8.0
    );
    for (index, photo) in (0..).zip(photos) {
        let mut y = TOP + f64::from(index) * row;
        if panel.bars.len() == 2 {
            y += THICK / 2.0;
        }
        for (class, value) in &panel.bars {
            let value = value(photo);
            let length = value / longest * PANEL;
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{left}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{:.1}\"/>",
                THICK - 1.0
            );
            let _ = writeln!(
                svg,
                "<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{value:.0}</text>",
                left + length + 4.0,
                y + THICK - 2.0
            );
            y += THICK;
        }
    }
}

// Nothing is painted behind, so the page's own background shows; the text follows the reader's scheme.
const STYLE: &str = "<style>
text { font: 14px system-ui, sans-serif; fill: #24292f; }
.title { font-weight: 600; }
.label { font-size: 13px; text-anchor: end; }
.value { font-size: 10px; }
line { stroke: #8c959f; }
.sharp { fill: #8c959f; }
.equal { fill: #b9c1c9; }
.ours { fill: #d9480f; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .sharp { fill: #8b949e; }
  .equal { fill: #565f69; }
  .ours { fill: #ff8c42; }
}
</style>";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::CONTENDERS;
    use crate::run::RunResult;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let run =
            |cpu: f64| RunResult { cpu_ms: vec![cpu], peak_kib: vec![cpu * 1024.0], ..RunResult::default() };
        let runs = CONTENDERS.iter().enumerate().map(|(i, _)| run(if i == PHOTODROP { 50.0 } else { 200.0 }));
        let photo =
            PhotoResult { name: "a<b>.jpg".to_owned(), width: 1, height: 1, bytes: 1, runs: runs.collect() };
        let results = Results {
            rounds: 1,
            core: None,
            versions: std::collections::BTreeMap::new(),
            idle_kib: [0, 0],
            photos: vec![photo],
        };
        let svg = svg(&results);
        assert_eq!(svg.matches("width=\"300.0\"").count(), 3, "{svg}");
        assert_eq!(svg.matches("width=\"75.0\"").count(), 2, "{svg}");
        assert!(svg.contains("a&lt;b>.jpg"));
    }
}
