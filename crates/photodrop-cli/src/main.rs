//! `photodrop`: photos into a stack and out of it, from a terminal or a script.
//!
//! Results go to stdout, as text or with `--json` as one JSON object a line; everything for people goes to stderr.

mod account;
mod api;
mod args;
mod backfill;
mod delete;
mod error;
mod files;
mod get;
mod list;
mod operator;
mod output;
mod photo;
mod progress;
mod redrive;
mod sniff;
mod source;
mod status;
mod storage;
mod target;
mod token;
mod upload;
mod user;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::args::{Arguments, Command};
use crate::error::CliError;
use crate::output::Output;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            error.exit()
        }
        Err(error) => {
            // It repeats what was typed, and a shell types the names of files (`photodrop upload *`).
            Output::usage(&error);
            return ExitCode::from(2);
        }
    };
    let output = Output::new(arguments.global.json);
    // reqwest is built without a provider of its own; a second one cannot be there, so the answer tells nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(arguments, &output)),
        Err(source) => Err(CliError::Io { path: "the async runtime".into(), source }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

async fn run(arguments: Arguments, output: &Output) -> Result<(), CliError> {
    let Arguments { global, command } = arguments;
    match command {
        Command::Upload(upload) => upload::run(&global, upload, output).await,
        Command::List(list) => list::run(&global, &list, output).await,
        Command::Get(get) => get::run(&global, &get, output).await,
        Command::Delete(delete) => delete::run(&global, &delete, output).await,
        Command::Status(status) => status::run(&global, &status, output).await,
        Command::Backfill(backfill) => backfill::run(&global, &backfill, output).await,
        Command::Redrive(redrive) => redrive::run(&redrive, output).await,
        Command::User(user) => user::run(&user, output).await,
        Command::Account(account) => account::run(&account, output).await,
    }
}
