//! What a photo costs: a render in a process of its own, under a limit on its address space.
//!
//! The child is this test binary, called again for [`child`] alone: the parent writes the photo into its standard input and the
//! [`Job`] into its environment, and reads one line from its standard output.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use photo_imaging::{Animation, ImagingError, Limits, OutputFormat, RenderOptions, probe};

use crate::support::inside;

/// Environment variable that holds the [`Job`] of the child.
const JOB: &str = "PHOTO_IMAGING_COST_JOB";
/// What the child's answer begins with.
const ANSWER: &str = "measured:";
/// 1 MiB in bytes.
pub(crate) const MIB: u64 = 1 << 20;

/// What the child does with the photo.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Memory of the Lambda function in MiB, from which the limits follow. Its address space has this size too, on top of what
    /// the child has mapped before it begins.
    pub(crate) memory_mib: u64,
    /// Raises the limit on pixels.
    pub(crate) max_pixels: u64,
    /// The longest side of the largest variant in px.
    pub(crate) longest_side: u32,
    /// How many variants, each a pixel smaller than the one before.
    pub(crate) variants: u32,
    /// Format of all variants.
    pub(crate) format: OutputFormat,
    /// Keeps an animation.
    pub(crate) animation: bool,
    /// Writes the sanitised original as well.
    pub(crate) sanitize: bool,
    /// Time until the deadline.
    pub(crate) deadline: Option<Duration>,
}

impl Default for Job {
    /// The function as it is deployed: 1769 MiB, one WebP variant of 1280 px.
    fn default() -> Self {
        Self {
            memory_mib: 1769,
            max_pixels: Limits::default().max_pixels,
            longest_side: 1280,
            variants: 1,
            format: OutputFormat::WebP,
            animation: false,
            sanitize: false,
            deadline: None,
        }
    }
}

/// What the child did and what that took.
#[derive(Debug)]
pub(crate) struct Cost {
    /// `Err` has the code of the refusal, or `KILLED` and the status of a child that gave no answer.
    pub(crate) outcome: Result<(), String>,
    /// Estimate in bytes, 0 if the probe refused the photo.
    pub(crate) estimate: u64,
    /// Most resident memory in bytes beyond that which the child had with the photo read and nothing done.
    pub(crate) peak: u64,
    /// User and system time of probe and render.
    pub(crate) cpu: Duration,
    /// Time of probe and render by the clock on the wall.
    pub(crate) wall: Duration,
}

/// Probes and renders `photo` in a child process.
pub(crate) fn measure(photo: &[u8], job: &Job) -> Cost {
    // Of Linux: the program that runs, also where a build has replaced its file.
    let mut child = Command::new("/proc/self/exe")
        .args(["--exact", "cost::child", "--nocapture", "--test-threads=1"])
        .env(JOB, job.to_text())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(photo).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer = text.split_once(ANSWER).and_then(|(_, rest)| rest.lines().next());
    answer.map_or_else(
        || Cost {
            outcome: Err(format!("KILLED {}", output.status)),
            estimate: 0,
            peak: u64::MAX,
            cpu: Duration::MAX,
            wall: Duration::MAX,
        },
        Cost::from_text,
    )
}

/// Runs the [`Job`] of the environment. Without one, which is how the test runner calls it, there is nothing to measure.
#[test]
fn child() {
    let Ok(job) = std::env::var(JOB) else { return };
    let job = Job::from_text(&job);
    let mut photo = Vec::new();
    std::io::stdin().read_to_end(&mut photo).unwrap();
    let before = memory("VmRSS:");
    let space = memory("VmSize:") + job.memory_mib * MIB;
    setrlimit(Resource::RLIMIT_AS, space, space).unwrap();
    let (cpu, wall) = (cpu_time(), Instant::now());
    let (estimate, outcome) = job.run(&photo);
    let (cpu, wall) = (cpu_time().saturating_sub(cpu), wall.elapsed());
    let peak = memory("VmHWM:").saturating_sub(before);
    println!(
        "{ANSWER}{} {estimate} {peak} {} {}",
        outcome.err().unwrap_or("ok"),
        cpu.as_micros(),
        wall.as_micros()
    );
}

impl Job {
    fn run(&self, photo: &[u8]) -> (u64, Result<(), &'static str>) {
        let mut limits = Limits { max_pixels: self.max_pixels, ..Limits::for_lambda_memory(self.memory_mib) };
        limits.deadline = self.deadline.map(|time| Instant::now() + time);
        let probed = match probe(photo, &limits) {
            Ok(probed) => probed,
            Err(error) => return (0, Err(error.code())),
        };
        let sides = (0..self.variants).map(|less| self.longest_side - less);
        let mut options = RenderOptions::new(sides.map(|side| inside(side, self.format)).collect());
        if self.animation {
            options.animation = Animation::Keep;
        }
        let estimate = probed.render_bytes(&options);
        let run = || -> Result<(), ImagingError> {
            let rendered = probed.render(&options)?;
            if self.sanitize {
                // The variants are held meanwhile, as the function holds them.
                let held = rendered.variants.iter().map(|variant| variant.bytes.len()).sum();
                let written = if rendered.damage.is_none() { probed.sanitize() } else { Ok(Vec::new()) };
                match written {
                    Ok(file) if !file.is_empty() => drop(file),
                    Ok(_) | Err(ImagingError::Corrupt { .. }) => drop(probed.reencode(&options, held)?),
                    Err(error) => return Err(error),
                }
            }
            drop(rendered);
            Ok(())
        };
        (estimate, run().map_err(|e| e.code()))
    }

    fn to_text(&self) -> String {
        let Self { memory_mib, max_pixels, longest_side, variants, format, animation, sanitize, deadline } =
            self;
        let deadline = deadline.map_or(0, |d| d.as_micros());
        format!(
            "{memory_mib} {max_pixels} {longest_side} {variants} {format} {animation} {sanitize} {deadline}"
        )
    }

    fn from_text(text: &str) -> Self {
        let mut words = text.split(' ');
        let mut next = || words.next().unwrap();
        Self {
            memory_mib: next().parse().unwrap(),
            max_pixels: next().parse().unwrap(),
            longest_side: next().parse().unwrap(),
            variants: next().parse().unwrap(),
            format: match next() {
                "jpeg" => OutputFormat::Jpeg,
                "webp" => OutputFormat::WebP,
                other => panic!("{other}"),
            },
            animation: next().parse().unwrap(),
            sanitize: next().parse().unwrap(),
            deadline: Some(next().parse().unwrap()).filter(|&d| d > 0).map(Duration::from_micros),
        }
    }
}

impl Cost {
    fn from_text(text: &str) -> Self {
        let mut words = text.split(' ');
        let code = words.next().unwrap();
        let mut next = || words.next().unwrap().parse().unwrap();
        Self {
            outcome: if code == "ok" { Ok(()) } else { Err(code.to_owned()) },
            estimate: next(),
            peak: next(),
            cpu: Duration::from_micros(next()),
            wall: Duration::from_micros(next()),
        }
    }
}

/// A figure of `/proc/self/status` in bytes.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn cpu_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let part = |time: nix::sys::time::TimeVal| {
        Duration::new(time.tv_sec().try_into().unwrap(), u32::try_from(time.tv_usec()).unwrap() * 1000)
    };
    part(usage.user_time()) + part(usage.system_time())
}

#[test]
fn the_child_answers_and_its_limit_holds() {
    let photo = crate::support::read("photo-6mp.jpg");
    let cost = measure(&photo, &Job::default());
    assert_eq!(cost.outcome, Ok(()));
    assert!(cost.peak > MIB && cost.cpu > Duration::ZERO && cost.wall > Duration::ZERO, "{cost:?}");
    let cramped = measure(&photo, &Job { memory_mib: 130, deadline: None, ..Job::default() });
    assert!(cramped.outcome.is_err(), "{cramped:?}");
}
