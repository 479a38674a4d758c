//! The program under test.

use std::path::Path;
use std::process::{Command, Stdio};

/// The program in a folder, without a token, an API or a stack, and with a state folder.
pub(crate) fn program(folder: &Path, state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_photodrop"));
    for name in ["PHOTODROP_API", "PHOTODROP_TOKEN", "PHOTODROP_STACK_NAME"] {
        command.env_remove(name);
    }
    command.current_dir(folder).env("PHOTODROP_STATE", state).stdin(Stdio::null());
    command
}
