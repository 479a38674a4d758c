//! The benchmark itself: time, then memory, then quality.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::contender::{CONTENDERS, Contender, MEASURED, Tool, Worker};
use crate::error::Error;
use crate::quality::{Source, size};
use crate::worker::Reply;
use crate::{machine, plot, report};

pub(crate) const USAGE: &str = "photodrop-bench run sharp=FILE work=FOLDER rounds=N command=TEXT commit=TEXT date=DAY \
    built=TEXT [page=FILE plot=FILE] PHOTO…";

/// What is measured and where the result goes.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    sharp: PathBuf,
    work: PathBuf,
    rounds: usize,
    pub(crate) command: String,
    pub(crate) commit: String,
    pub(crate) date: String,
    /// The CPU that this program was built for.
    pub(crate) built: String,
    page: Option<PathBuf>,
    plot: Option<PathBuf>,
    photos: Vec<PathBuf>,
}

impl Settings {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Error> {
        let usage = || Error::Usage(USAGE.to_owned());
        let mut settings = Self::default();
        for argument in arguments {
            match argument.split_once('=') {
                Some(("sharp", value)) => settings.sharp = value.into(),
                Some(("work", value)) => settings.work = value.into(),
                Some(("rounds", value)) => {
                    settings.rounds = value.parse().ok().filter(|n| *n > 0).ok_or_else(usage)?;
                }
                Some(("command", value)) => value.clone_into(&mut settings.command),
                Some(("commit", value)) => value.clone_into(&mut settings.commit),
                Some(("date", value)) => value.clone_into(&mut settings.date),
                Some(("built", value)) => value.clone_into(&mut settings.built),
                Some(("page", value)) => settings.page = Some(value.into()),
                Some(("plot", value)) => settings.plot = Some(value.into()),
                _ => settings.photos.push(argument.into()),
            }
        }
        let complete = settings.rounds > 0 && !settings.photos.is_empty() && settings.sharp.exists();
        if complete { Ok(settings) } else { Err(usage()) }
    }
}

/// All that was measured.
pub(crate) struct Results {
    pub(crate) rounds: usize,
    pub(crate) core: Option<usize>,
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) idle_kib: [u64; 2],
    pub(crate) photos: Vec<PhotoResult>,
}

pub(crate) struct PhotoResult {
    pub(crate) name: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) bytes: u64,
    /// In the order of [`CONTENDERS`].
    pub(crate) runs: Vec<RunResult>,
}

#[derive(Default)]
pub(crate) struct RunResult {
    pub(crate) cpu_ms: Vec<f64>,
    pub(crate) wall_ms: Vec<f64>,
    /// Of processes that did this photo alone.
    pub(crate) peak_kib: Vec<f64>,
    /// The files' sizes and scores, in the order of the outputs.
    pub(crate) bytes: Vec<usize>,
    pub(crate) scores: Vec<f64>,
    /// Name and ms of each round, photodrop's alone.
    pub(crate) stages_ms: Vec<(String, Vec<f64>)>,
}

pub(crate) fn run(settings: &Settings) -> Result<(), Error> {
    let core = machine::pin();
    let mut sharp = Worker::start(Tool::Sharp, &settings.sharp)?;
    let mut photodrop = Worker::start(Tool::Photodrop, &settings.sharp)?;
    let (theirs, ours) = (sharp.introduce()?, photodrop.introduce()?);
    let mut versions = theirs.versions;
    versions.extend(ours.versions);
    let idle_kib = [theirs.peak_kib, ours.peak_kib];

    let mut photos = Vec::new();
    for path in &settings.photos {
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        eprintln!("make bench: {name}");
        let mut runs: Vec<RunResult> = CONTENDERS.iter().map(|_| RunResult::default()).collect();
        for round in 0..=settings.rounds {
            // The first round warms up, and its files are those that are compared.
            let count = if round == 0 { CONTENDERS.len() } else { MEASURED };
            for (contender, run) in CONTENDERS.iter().zip(&mut runs).take(count) {
                let worker = if contender.tool == Tool::Sharp { &mut sharp } else { &mut photodrop };
                let save = if round == 0 { Some(folder(settings, &name, contender)?) } else { None };
                let reply = worker.ask(&contender.request(path, save))?;
                if round == 0 { run.bytes = reply.bytes } else { run.add(&reply) }
            }
        }
        memory(settings, path, &mut runs)?;
        let (width, height) = quality(settings, path, &name, &mut runs)?;
        let bytes = std::fs::metadata(path).map_err(Error::file(path))?.len();
        photos.push(PhotoResult { name, width, height, bytes, runs });
    }
    let results = Results { rounds: settings.rounds, core, versions, idle_kib, photos };
    let text = report::markdown(&results, settings);
    println!("{text}");
    if let Some(page) = &settings.page {
        report::write_between_markers(page, &text)?;
    }
    if let Some(file) = &settings.plot {
        std::fs::write(file, plot::svg(&results)).map_err(Error::file(file))?;
    }
    Ok(())
}

impl RunResult {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a benchmark are far below 2^52")]
    fn add(&mut self, reply: &Reply) {
        self.cpu_ms.push(reply.cpu_us as f64 / 1e3);
        self.wall_ms.push(reply.wall_us as f64 / 1e3);
        for (index, (name, us)) in reply.stages_us.iter().flatten().enumerate() {
            if self.stages_ms.len() == index {
                self.stages_ms.push((name.clone(), Vec::new()));
            }
            self.stages_ms[index].1.push(*us as f64 / 1e3);
        }
    }
}

fn folder(settings: &Settings, photo: &str, contender: &Contender) -> Result<PathBuf, Error> {
    let folder = settings.work.join(photo).join(contender.name);
    std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    Ok(folder)
}

/// Each contender in processes of its own that do this photo alone, as a Lambda function's first invocation does.
#[expect(clippy::cast_precision_loss, reason = "KiB of a process are far below 2^52")]
fn memory(settings: &Settings, photo: &Path, runs: &mut [RunResult]) -> Result<(), Error> {
    for _ in 0..settings.rounds.min(3) {
        for (contender, run) in CONTENDERS.iter().zip(runs.iter_mut()).take(MEASURED) {
            let mut worker = Worker::start(contender.tool, &settings.sharp)?;
            run.peak_kib.push(worker.ask(&contender.request(photo, None))?.peak_kib as f64);
        }
    }
    Ok(())
}

/// Scores every file; the photo's size.
fn quality(
    settings: &Settings,
    path: &Path,
    name: &str,
    runs: &mut [RunResult],
) -> Result<(u32, u32), Error> {
    let source = Source::open(path)?;
    let mut references = BTreeMap::new();
    for (contender, run) in CONTENDERS.iter().zip(runs) {
        let folder = folder(settings, name, contender)?;
        for (index, output) in contender.request(path, None).outputs.iter().enumerate() {
            let file = folder.join(format!("{index}.{}", output.format));
            let bytes = std::fs::read(&file).map_err(Error::file(&file))?;
            let size = size(&bytes)?;
            let reference = match references.entry(size) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    new.insert(source.reference(size.0, size.1)?)
                }
            };
            run.scores.push(reference.score(&bytes)?);
        }
    }
    Ok(source.size())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_photos_or_rounds_are_refused() {
        let here = concat!("sharp=", env!("CARGO_MANIFEST_DIR"), "/sharp.mjs");
        let parse = |arguments: &[&str]| {
            Settings::parse(&arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(parse(&[here, "rounds=3", "a.jpg", "b.jpg"]).unwrap().photos.len(), 2);
        for bad in [&[here, "rounds=3"][..], &[here, "rounds=0", "a.jpg"], &["rounds=3", "a.jpg"]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
