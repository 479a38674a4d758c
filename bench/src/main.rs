//! Measures photodrop's thumbnails beside sharp's. `make bench` builds and starts it; see `run.py` for what it needs.
//!
//! `photodrop-bench run FOLDER …` drives, `photodrop-bench worker` is photodrop's side of the comparison, as
//! `sharp.mjs` is sharp's.

mod contender;
mod error;
mod machine;
mod plot;
mod quality;
mod report;
mod run;
mod stats;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some("run") => run::Settings::parse(&arguments[1..]).and_then(|settings| run::run(&settings)),
        Some("worker") => worker::serve(std::io::stdin().lock(), std::io::stdout().lock()),
        _ => Err(error::Error::Usage(run::USAGE.to_owned())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("make bench: {error}");
            ExitCode::FAILURE
        }
    }
}
