//! The tables of docs/PERFORMANCE.md.

use std::fmt::Write;
use std::path::Path;

use photo_imaging::RenderOptions;

use crate::contender::{MEASURED, PHOTODROP, PHOTODROP_EQUAL, SHARP, SHARP_EQUAL, SHARP_SHARPEST, SIDES};
use crate::error::Error;
use crate::machine;
use crate::run::{PhotoResult, Results, RunResult, Settings};
use crate::stats::{geometric_mean, median, median_ratio};

pub(crate) const BEGIN: &str = "<!-- make bench writes below -->";
pub(crate) const END: &str = "<!-- make bench writes above -->";

pub(crate) fn markdown(results: &Results, settings: &Settings) -> String {
    [
        circumstances(results, settings),
        goals(results),
        cpu(results),
        memory(results),
        files(results),
        stages(results),
    ]
    .join("\n")
}

fn circumstances(results: &Results, settings: &Settings) -> String {
    let version = |name: &str| results.versions.get(name).map_or("?", String::as_str);
    let core = match results.core {
        Some(_) => "pinned to one core",
        None => "not pinned: the system refused",
    };
    format!(
        "`{}` on {}, photodrop {} ({}) built for {}, {}, {core}, {} interleaved rounds after one to warm up, medians.\n\
         sharp {} with libvips {}, libwebp {}, mozjpeg {}, Node {}; `concurrency(1)`, cache off.\n",
        settings.command,
        settings.date,
        version("photodrop"),
        settings.commit,
        settings.built,
        machine::cpu_model(),
        results.rounds,
        version("sharp"),
        version("libvips"),
        version("libwebp"),
        version("mozjpeg"),
        version("node"),
    )
}

impl PhotoResult {
    fn cpu(&self, contender: usize) -> f64 {
        median(&self.runs[contender].cpu_ms).unwrap_or(f64::NAN)
    }

    fn cpu_ratio(&self, ours: usize, theirs: usize) -> f64 {
        median_ratio(&self.runs[ours].cpu_ms, &self.runs[theirs].cpu_ms).unwrap_or(f64::NAN)
    }

    fn peak_mib(&self, contender: usize) -> f64 {
        median(&self.runs[contender].peak_kib).unwrap_or(f64::NAN) / 1024.0
    }

    fn peak_ratio(&self) -> f64 {
        self.peak_mib(PHOTODROP) / self.peak_mib(SHARP)
    }

    fn describe(&self) -> String {
        let megapixels = f64::from(self.width) * f64::from(self.height) / 1e6;
        format!("{} ({megapixels:.1} MP, {:.1} MB)", self.name, size(self.bytes) / 1e6)
    }
}

#[expect(clippy::cast_precision_loss, reason = "file sizes are far below 2^52")]
fn size(bytes: u64) -> f64 {
    bytes as f64
}

fn total(run: &RunResult) -> f64 {
    run.bytes.iter().map(|b| size(*b as u64)).sum()
}

/// One line for each goal, from the figures of the tables.
fn goals(results: &Results) -> String {
    let photos = &results.photos;
    let line = |what: &str, values: Vec<f64>| {
        let worst = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = geometric_mean(&values).unwrap_or(f64::NAN);
        format!("| {what} | {mean:.2} | {worst:.2} |\n")
    };
    let each = |ratio: &dyn Fn(&PhotoResult) -> f64| photos.iter().map(ratio).collect::<Vec<_>>();
    let mut text = "| photodrop ÷ sharp, cascade | mean | worst photo |\n| --- | --- | --- |\n".to_owned();
    text += &line("CPU, each as it ships", each(&|p| p.cpu_ratio(PHOTODROP, SHARP)));
    text += &line(
        &format!("CPU, both at WebP effort {}", RenderOptions::DEFAULT_WEBP_METHOD),
        each(&|p| p.cpu_ratio(PHOTODROP, SHARP_EQUAL)),
    );
    text += &line("CPU, both at WebP effort 4", each(&|p| p.cpu_ratio(PHOTODROP_EQUAL, SHARP)));
    text += &line("peak memory", each(&PhotoResult::peak_ratio));
    text += &line("bytes of all six files", each(&|p| total(&p.runs[PHOTODROP]) / total(&p.runs[SHARP])));
    let mut worse: Vec<f64> = photos.iter().flat_map(score_differences).collect();
    worse.sort_by(f64::total_cmp);
    let below = worse.iter().filter(|d| **d < -0.05).count();
    let _ = writeln!(
        text,
        "\nSSIMULACRA2 against sharp's default, {} files: {below} are lower by more than 0.05, the lowest by {:+.2}; \
         the median difference is {:+.2}.",
        worse.len(),
        worse.first().copied().unwrap_or(f64::NAN),
        median(&worse).unwrap_or(f64::NAN),
    );
    text
}

fn score_differences(photo: &PhotoResult) -> impl Iterator<Item = f64> + '_ {
    photo.runs[PHOTODROP].scores.iter().zip(&photo.runs[SHARP].scores).map(|(ours, theirs)| ours - theirs)
}

fn cpu(results: &Results) -> String {
    let effort = RenderOptions::DEFAULT_WEBP_METHOD;
    let mut text = format!(
        "\n### CPU\n\nUser and system ms for one photo, six files.\n\n\
         | photo | sharp cascade | at effort {effort} | separate | clone | photodrop | at effort 4 | ÷ cascade \
         | ÷ at effort {effort} | both at 4 |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    for photo in &results.photos {
        let _ = write!(text, "| {} |", photo.describe());
        for contender in 0..MEASURED {
            let _ = write!(text, " {:.0} |", photo.cpu(contender));
        }
        let _ = writeln!(
            text,
            " **{:.2}** | {:.2} | {:.2} |",
            photo.cpu_ratio(PHOTODROP, SHARP),
            photo.cpu_ratio(PHOTODROP, SHARP_EQUAL),
            photo.cpu_ratio(PHOTODROP_EQUAL, SHARP),
        );
    }
    text
}

fn memory(results: &Results) -> String {
    let idle = results.idle_kib.map(|kib| size(kib) / 1024.0);
    let mut text = format!(
        "\n### Memory and wall time\n\nPeak MiB resident (`VmHWM`) of a process that does this photo alone; before any \
         photo sharp's process has {:.0}, photodrop's {:.0}.\nWall ms on the one core, so others' load is in it.\n\n\
         | photo | sharp cascade | separate | clone | photodrop | ÷ cascade | wall sharp cascade | wall photodrop |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        idle[0], idle[1],
    );
    for photo in &results.photos {
        let wall = |contender: usize| median(&photo.runs[contender].wall_ms).unwrap_or(f64::NAN);
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} | {:.0} | {:.0} | **{:.2}** | {:.0} | {:.0} |",
            photo.name,
            photo.peak_mib(SHARP),
            photo.peak_mib(SHARP + 2),
            photo.peak_mib(SHARP + 3),
            photo.peak_mib(PHOTODROP),
            photo.peak_ratio(),
            wall(SHARP),
            wall(PHOTODROP),
        );
    }
    text
}

fn files(results: &Results) -> String {
    let mut text =
        "\n### Bytes and quality\n\nphotodrop's file against that of sharp's cascade, each as it ships: \
        bytes, and SSIMULACRA2 sharp → photodrop. \
        Last, the bytes beside sharp with `fastShrinkOnLoad: false`.\n\n| photo |"
            .to_owned();
    for side in SIDES {
        let _ = write!(text, " WebP {side} | JPEG {side} |");
    }
    text += " all bytes | all, no fast shrink |\n| --- |";
    text += &" --- |".repeat(SIDES.len() * 2 + 2);
    text.push('\n');
    for photo in &results.photos {
        let (ours, theirs) = (&photo.runs[PHOTODROP], &photo.runs[SHARP]);
        let _ = write!(text, "| {} |", photo.name);
        for index in 0..ours.bytes.len() {
            let bytes = size(ours.bytes[index] as u64) / size(theirs.bytes[index] as u64);
            let (from, to) = (theirs.scores[index], ours.scores[index]);
            let _ = write!(text, " {:+.1} %, {from:.1} → {to:.1} |", (bytes - 1.0) * 100.0);
        }
        let more = |theirs: usize| (total(ours) / total(&photo.runs[theirs]) - 1.0) * 100.0;
        let _ = writeln!(text, " **{:+.1} %** | {:+.1} % |", more(SHARP), more(SHARP_SHARPEST));
    }
    text
}

fn stages(results: &Results) -> String {
    let mut text = "\n### Stages\n\nphotodrop as it ships, wall ms of each stage.\n\n".to_owned();
    for (index, photo) in results.photos.iter().enumerate() {
        let stages = &photo.runs[PHOTODROP].stages_ms;
        if index == 0 {
            let names: Vec<_> = stages.iter().map(|(name, _)| name.as_str()).collect();
            let _ =
                writeln!(text, "| photo | {} |\n| --- |{}", names.join(" | "), " --- |".repeat(names.len()));
        }
        let _ = write!(text, "| {} |", photo.name);
        for (_, ms) in stages {
            let _ = write!(text, " {:.1} |", median(ms).unwrap_or(f64::NAN));
        }
        text.push('\n');
    }
    text
}

/// Replaces what the last run wrote.
pub(crate) fn write_between_markers(page: &Path, text: &str) -> Result<(), Error> {
    let old = std::fs::read_to_string(page).map_err(Error::file(page))?;
    std::fs::write(page, between_markers(&old, text)?).map_err(Error::file(page))
}

fn between_markers(page: &str, text: &str) -> Result<String, Error> {
    let (before, rest) = page.split_once(BEGIN).ok_or(Error::NoMarker(BEGIN))?;
    let (_, after) = rest.split_once(END).ok_or(Error::NoMarker(END))?;
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let page = format!("top\n{BEGIN}\nold\n{END}\nbottom\n");
        let new = between_markers(&page, "new").unwrap();
        assert_eq!(new, format!("top\n{BEGIN}\n\nnew\n\n{END}\nbottom\n"));
        assert_eq!(between_markers(&new, "new").unwrap(), new);
        assert!(between_markers("no marker", "new").is_err());
    }

    #[test]
    fn the_page_has_the_markers() {
        let page = include_str!("../../docs/PERFORMANCE.md");
        assert!(between_markers(page, "").is_ok());
    }

    #[test]
    fn ratios_and_differences_are_of_the_right_pair() {
        let run = |cpu: f64, bytes: usize, score: f64| RunResult {
            cpu_ms: vec![cpu; 3],
            wall_ms: vec![cpu; 3],
            peak_kib: vec![cpu * 1024.0],
            bytes: vec![bytes; 6],
            scores: vec![score; 6],
            stages_ms: vec![("probe".to_owned(), vec![0.1, 0.2, 0.3])],
        };
        let runs = vec![
            run(200.0, 100, 70.0),
            run(150.0, 104, 69.0),
            run(400.0, 100, 70.0),
            run(400.0, 100, 70.0),
            run(80.0, 101, 70.5),
            run(120.0, 100, 70.2),
            run(250.0, 102, 70.4),
        ];
        let photo =
            PhotoResult { name: "a.jpg".to_owned(), width: 4000, height: 3000, bytes: 2_500_000, runs };
        let results = Results {
            rounds: 3,
            core: Some(1),
            versions: std::collections::BTreeMap::new(),
            idle_kib: [51_200, 2048],
            photos: vec![photo],
        };
        let text = markdown(&results, &Settings::default());
        assert!(text.contains("| CPU, each as it ships | 0.40 | 0.40 |"), "{text}");
        assert!(text.contains("| CPU, both at WebP effort 4 | 0.60 | 0.60 |"), "{text}");
        assert!(text.contains("| peak memory | 0.40 | 0.40 |"), "{text}");
        assert!(text.contains(
            "a.jpg (12.0 MP, 2.5 MB) | 200 | 150 | 400 | 400 | 80 | 120 | **0.40** | 0.53 | 0.60 |"
        ));
        assert!(text.contains("+1.0 %, 70.0 → 70.5 |") && text.contains("**+1.0 %** | -1.0 % |"), "{text}");
        assert!(text.contains("0 are lower by more than 0.05, the lowest by +0.50"), "{text}");
        assert!(text.contains("| a.jpg | 0.2 |"), "{text}");
    }
}
