//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The codes that scripts look at; part of `--help`.
const EXIT_CODES: &str = "\
Exit codes:
  0  everything was done
  1  something was not done: a photo failed, a file could not be read, an answer was refused
  2  the command line is wrong
  3  not signed in: no token, or one that is refused
  4  the API or the storage cannot be reached

Where the API is: --api, else the local stack of the folder (.local/stack.json here or above,
written by `make up`, or the file that PHOTODROP_STACK names), which also knows how to sign in.
A folder's description is used if no other user can write it and it names this machine. A token of
PHOTODROP_TOKEN or --token-file is sent to an API that you name, and to no other.
NO_COLOR and output that is no terminal are respected.";

/// Uploads photos to a photodrop stack, looks at them and removes them.
#[derive(Debug, Parser)]
#[command(name = "photodrop", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The API's URL, the stack's output `ApiUrl` (default: the local stack)
    #[arg(long, global = true, env = "PHOTODROP_API", value_name = "URL", hide_env_values = true)]
    pub(crate) api: Option<String>,
    /// A file with the access token; else `PHOTODROP_TOKEN`, else the local stack's demo user. A token needs --api
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// One JSON object a line on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How often a request is tried again that got no answer, 429 or 5xx
    #[arg(long, global = true, value_name = "N", default_value_t = 4)]
    pub(crate) retries: u32,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Uploads files; run again after an interruption, it goes on where it was
    Upload(Upload),
    /// Lists photos, newest first
    List(List),
    /// Shows one photo, or downloads its variants
    Get(Get),
    /// Deletes photos
    Delete(Delete),
    /// Asks whether the stack is well, and what there is
    Status(Status),
    /// Makes thumbnails of photos that are there already (for operators, with AWS credentials)
    Backfill(Backfill),
    /// Moves dead letters back into the queue of photos, and waits for that (for operators, with AWS credentials)
    Redrive(Redrive),
    /// Creates a user of the stack's own user pool (for operators, with AWS credentials)
    User(User),
    /// Says how many functions may run at once in the account, and what to ask AWS for (with AWS credentials)
    Account(Account),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Upload {
    /// The photos
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// How many requests are sent at once
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) jobs: u8,
    /// Waits until each photo is ready or failed
    #[arg(short, long)]
    pub(crate) wait: bool,
    /// How long it waits for one photo, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) wait_timeout: u64,
    /// Announces this type instead of the one that the first bytes tell
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Something to keep with each photo
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) metadata: Vec<(String, String)>,
    /// Makes new photos of files that were uploaded within a day
    #[arg(long)]
    pub(crate) again: bool,
    /// From how many MiB on a file is sent in parts, which can be resumed
    #[arg(long, value_name = "MIB", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) multipart_from: u64,
    /// Where it is remembered which parts arrived (default: photodrop in `XDG_STATE_HOME`)
    #[arg(long, value_name = "DIR", env = "PHOTODROP_STATE", hide_env_values = true)]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct List {
    /// How many at most; 0 for all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: u64,
    /// Only these
    #[arg(long, value_enum)]
    pub(crate) status: Option<Only>,
}

/// A photo's status, to choose by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    Pending,
    Ready,
    Failed,
    Expired,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Get {
    /// The photo's id
    #[arg(value_name = "ID")]
    pub(crate) photo_id: String,
    /// Downloads the variants into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) download: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Delete {
    /// The photos' ids
    #[arg(required = true, value_name = "ID")]
    pub(crate) photo_ids: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Status {
    /// Counts the newest N photos by status; 0 for all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1000)]
    pub(crate) limit: u64,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Backfill {
    #[command(subcommand)]
    pub(crate) source: Source,
}

/// What is gone through.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Source {
    /// Goes through the stack's photos and makes the variants that they lack
    Photos(PhotosOptions),
    /// Goes through a bucket and takes its objects in as photos
    Bucket(BucketOptions),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BackfillOptions {
    /// The stack on AWS [default: the local stack]
    #[arg(long, value_name = "NAME", env = "PHOTODROP_STACK_NAME", hide_env_values = true)]
    pub(crate) stack: Option<String>,
    /// The reconcile function, where its name is not the stack's with `-reconcile`
    #[arg(long, value_name = "NAME")]
    pub(crate) function: Option<String>,
    /// Whose photos: only theirs, or with `bucket` whose they become
    #[arg(long, value_name = "OWNER")]
    pub(crate) owner: Option<String>,
    /// Says what it would do and what that may cost
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The most photos that are started in this run
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_photos: u64,
    /// Objects that one call of the function looks at
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=500))]
    pub(crate) batch: u64,
    /// Where it is remembered how far it came; the next run goes on from there [default: one in the folder of
    /// `PHOTODROP_STATE`]
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PhotosOptions {
    /// Tries photos again that failed
    #[arg(long)]
    pub(crate) include_failed: bool,
    #[command(flatten)]
    pub(crate) options: BackfillOptions,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BucketOptions {
    /// The bucket: the stack's `BackfillBucket`
    #[arg(long, value_name = "NAME")]
    pub(crate) bucket: String,
    /// Only objects whose key begins like this
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,
    #[command(flatten)]
    pub(crate) options: BackfillOptions,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Redrive {
    /// The stack on AWS [default: the local stack]
    #[arg(long, value_name = "NAME", env = "PHOTODROP_STACK_NAME", hide_env_values = true)]
    pub(crate) stack: Option<String>,
    /// Messages that are moved in a second [default: SQS decides]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=500))]
    pub(crate) per_second: Option<i32>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct User {
    /// The user's name: an e-mail address, or any other
    #[arg(value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// The stack on AWS [default: the local stack]
    #[arg(long, value_name = "NAME", env = "PHOTODROP_STACK_NAME", hide_env_values = true)]
    pub(crate) stack: Option<String>,
    /// The user pool, where several bear the stack's name
    #[arg(long = "user-pool", value_name = "ID")]
    pub(crate) pool: Option<String>,
    /// Emails the temporary password instead of printing it
    #[arg(long)]
    pub(crate) mail: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Account {
    /// The stack on AWS [default: the local stack]
    #[arg(long, value_name = "NAME", env = "PHOTODROP_STACK_NAME", hide_env_values = true)]
    pub(crate) stack: Option<String>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let Some((key, value)) = text.split_once('=') else {
        return Err("KEY=VALUE is expected".to_owned());
    };
    if key.is_empty() { Err("the key is empty".to_owned()) } else { Ok((key.to_owned(), value.to_owned())) }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_help_says_what_can_be_typed_and_what_the_exit_codes_mean() {
        let mut command = Arguments::command();
        command.build();
        let mut text = command.render_help().to_string();
        for sub in command.get_subcommands_mut() {
            if sub.get_name() == "help" {
                continue;
            }
            let _ = write!(text, "\n=== {}\n\n{}", sub.get_name(), sub.clone().render_help());
            let names: Vec<_> = sub.get_subcommands().map(|inner| inner.get_name().to_owned()).collect();
            for name in names.iter().filter(|name| *name != "help") {
                let inner = sub.find_subcommand_mut(name).expect("it is there");
                let _ = write!(text, "\n=== {name}\n\n{}", inner.render_help());
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_command_line_is_put_together_without_contradictions() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn metadata_is_a_key_and_a_value() {
        assert_eq!(key_value("album=a=b"), Ok(("album".to_owned(), "a=b".to_owned())));
        assert!(key_value("album").is_err());
        assert!(key_value("=x").is_err());
    }
}
