//! The command line against a deployed stack, with real photos. Without a stack every test fails; `make e2e` starts one.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod operators;
#[path = "../support/program.rs"]
mod program;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use photodrop_tests::aws::AttributeValue;
use photodrop_tests::patience::Wait;
use photodrop_tests::photos::photo;
use photodrop_tests::stack::root;
use photodrop_tests::{Aws, Stack, aws};
use program::program;
use serde_json::Value;

/// What a run printed as JSON lines, and how it ended.
struct Ended {
    code: i32,
    lines: Vec<Value>,
    stderr: String,
}

struct Cli {
    folder: tempfile::TempDir,
}

impl Cli {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The program in an environment of its own: nobody's token, and a folder for what it remembers.
    fn command(&self, arguments: &[&str]) -> Command {
        let stack = std::env::var_os("PHOTODROP_STACK")
            .map_or_else(|| root().join(".local/stack.json"), PathBuf::from);
        let mut command = program(self.folder.path(), &self.folder.path().join("state"));
        command.env("PHOTODROP_STACK", stack).args(arguments).arg("--json");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).output().unwrap())
    }

    /// A test photo under a name and with bytes of its own, so that no other run's is found again.
    fn photo(&self, name: &str, padding: usize) -> String {
        let path = self.folder.path().join(name);
        let mut bytes = photo(name).unwrap();
        bytes.extend(uuid::Uuid::now_v7().as_bytes());
        bytes.resize(bytes.len() + padding, 0);
        fs::write(&path, bytes).unwrap();
        shown(&path)
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn ended(output: Output) -> Ended {
    let stdout = String::from_utf8(output.stdout).unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        lines: stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn photos_are_uploaded_listed_shown_downloaded_and_deleted() {
    let cli = Cli::new();
    let (jpeg, png) = (cli.photo("photo-6mp.jpg", 0), cli.photo("alpha.png", 0));
    let uploaded = cli.run(&["upload", "--wait", &jpeg, &png]);
    assert_eq!(uploaded.code, 0, "{}", uploaded.stderr);
    assert_eq!(uploaded.lines.len(), 2);
    assert!(uploaded.lines.iter().all(|line| line["status"] == "ready" && line["already"] == false));
    let ids: Vec<&str> = uploaded.lines.iter().map(|line| line["photo_id"].as_str().unwrap()).collect();

    // The same command finds what it did.
    let again = cli.run(&["upload", &jpeg, &png]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert!(
        again
            .lines
            .iter()
            .all(|line| line["already"] == true && ids.contains(&line["photo_id"].as_str().unwrap()))
    );

    let listed = cli.run(&["list", "-n", "0"]);
    assert_eq!(listed.code, 0, "{}", listed.stderr);
    assert!(ids.iter().all(|id| listed.lines.iter().any(|photo| photo["photo_id"] == *id)));

    let got = cli.run(&["get", ids[0], "--download", "variants"]);
    assert_eq!(got.code, 0, "{}", got.stderr);
    assert_eq!(got.lines.len(), 6);
    for variant in &got.lines {
        let file = cli.folder.path().join(variant["file"].as_str().unwrap());
        assert_eq!(fs::metadata(file).unwrap().len(), variant["size_bytes"].as_u64().unwrap());
    }
    assert_eq!(cli.run(&["status"]).lines[0]["health"], 200);

    assert_eq!(cli.run(&["delete", ids[0], ids[1]]).code, 0);
    let gone = cli.run(&["get", ids[0]]);
    assert_eq!((gone.code, gone.lines[0]["error"]["code"].as_str()), (1, Some("NOT_FOUND")));
    // The same bytes are a new photo then.
    let anew = cli.run(&["upload", "--wait", &jpeg]);
    assert_eq!(anew.code, 0, "{}", anew.stderr);
    assert_ne!(anew.lines[0]["photo_id"], ids[0]);
}

/// How many parts S3 has of the upload that is remembered in a folder; none where nothing is remembered yet.
async fn parts_of_the_upload_in(state: &Path) -> usize {
    let files = fs::read_dir(state).into_iter().flatten().map(|file| file.unwrap().path());
    let Some(file) = files.into_iter().find(|path| path.extension().is_some_and(|e| e == "json")) else {
        return 0;
    };
    let unfinished: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let stack = Stack::load().unwrap();
    let owner = aws::subject(&stack.token).unwrap();
    let key = format!("photos/{owner}/{}/original", unfinished["photo_id"].as_str().unwrap());
    Aws::new(&stack).await.parts(&key, unfinished["upload_id"].as_str().unwrap()).await.unwrap()
}

#[tokio::test]
async fn an_upload_killed_in_the_middle_goes_on_where_it_was() {
    let cli = Cli::new();
    let large = cli.photo("photo-6mp.jpg", 26 * 1024 * 1024);
    let mut child = cli
        .command(&["upload", "--jobs", "1", &large])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It is killed as soon as S3 has a part.
    let state = cli.folder.path().join("state");
    let mut wait = Wait::begin("the first part");
    while parts_of_the_upload_in(&state).await == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        wait.pause(Duration::from_millis(5), ()).await.unwrap();
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "it was killed in the middle");
    let resumed = cli.run(&["upload", "--wait", &large]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    let parts = resumed.lines[0]["resumed_parts"].as_u64().unwrap();
    assert!((1..=5).contains(&parts), "{parts} parts were there");
    assert_eq!(resumed.lines[0]["status"], "ready");
    assert_eq!(fs::read_dir(&state).unwrap().count(), 0, "nothing is remembered of what is done");
}

#[test]
fn one_bad_file_fails_alone_and_the_exit_code_tells() {
    let cli = Cli::new();
    let good = cli.photo("rgb.png", 0);
    let text = cli.folder.path().join("notes.jpg");
    fs::File::create(&text).unwrap().write_all(b"Dear diary, this is no photo.").unwrap();
    let mixed = cli.run(&["upload", "--wait", &good, &shown(&text), "missing.jpg"]);
    assert_eq!(mixed.code, 1);
    let code_of = |name: &str| {
        let line = mixed.lines.iter().find(|line| line["file"].as_str().unwrap().ends_with(name)).unwrap();
        line.pointer("/error/code").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    assert_eq!(
        (code_of("notes.jpg"), code_of("missing.jpg"), code_of("rgb.png")),
        ("NOT_AN_IMAGE".to_owned(), "IO".to_owned(), String::new())
    );
    // The thumbnail function refuses what the command line was made to send.
    let insisted = cli.run(&["upload", "--wait", "--content-type", "image/jpeg", &shown(&text)]);
    assert_eq!((insisted.code, insisted.lines[0]["status"].as_str()), (1, Some("failed")));
    assert_eq!(insisted.lines[0]["error"]["code"], "NOT_AN_IMAGE");
    // The same bytes are the same photo, which has failed: the command fails with and without --wait.
    let again = cli.run(&["upload", "--content-type", "image/jpeg", &shown(&text)]);
    assert_eq!((again.code, again.lines[0]["status"].as_str()), (1, Some("failed")));
    let avif = cli.photo("unsupported.avif", 0);
    assert_eq!(cli.run(&["upload", &avif]).lines[0]["error"]["code"], "UNSUPPORTED_TYPE");
}

#[tokio::test]
async fn a_photo_whose_bytes_never_came_is_sent_as_another_one() {
    let cli = Cli::new();
    let jpeg = cli.photo("orientation-1.jpg", 0);
    let before = cli.run(&["upload", "--wait", &jpeg]).lines[0]["photo_id"].as_str().unwrap().to_owned();
    let stack = Stack::load().unwrap();
    let expired = [
        ("status", AttributeValue::S("expired".to_owned())),
        ("expires_at", AttributeValue::N("4000000000".to_owned())),
    ];
    Aws::new(&stack).await.set_attributes(&owner(), &before, &expired).await.unwrap();
    let sent = cli.run(&["upload", "--wait", &jpeg]);
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    assert_eq!((&sent.lines[0]["status"], &sent.lines[0]["already"]), (&"ready".into(), &false.into()));
    assert_ne!(sent.lines[0]["photo_id"], before.as_str());
}

#[test]
fn a_backfill_is_looked_at_first_stops_where_it_is_told_and_goes_on_from_there() {
    let cli = Cli::new();
    // Two photos that failed: a backfill has something to try again, and nothing to change.
    for name in ["one.jpg", "two.jpg"] {
        let text = cli.folder.path().join(name);
        fs::write(&text, format!("no photo {}", uuid::Uuid::now_v7())).unwrap();
        assert_eq!(cli.run(&["upload", "--wait", "--content-type", "image/jpeg", &shown(&text)]).code, 1);
    }
    let backfill = |more: &[&str]| {
        let owner = owner();
        let mut line =
            vec!["backfill", "photos", "--include-failed", "--owner", &owner, "--checkpoint", "at"];
        line.extend(more);
        cli.run(&line)
    };
    let checkpoint = cli.folder.path().join("at");
    let looked = backfill(&["--dry-run"]);
    assert_eq!(looked.code, 0, "{}", looked.stderr);
    let summary = looked.lines.last().unwrap();
    let count = summary["started"].as_u64().unwrap();
    assert!(count >= 2 && summary["complete"] == true && summary["dry_run"] == true, "{summary}");
    assert!(summary["estimated_usd"].as_f64().unwrap() > 0.0);
    assert!(!checkpoint.exists(), "a dry run goes on from nowhere");

    let begun = backfill(&["--max-photos", "1"]);
    assert_eq!(begun.code, 0, "{}", begun.stderr);
    let summary = begun.lines.last().unwrap();
    assert_eq!((summary["started"].as_u64(), summary["complete"].as_bool()), (Some(1), Some(false)));
    assert!(checkpoint.exists() && begun.stderr.contains("--max-photos 1"), "{}", begun.stderr);
    // Another backfill's checkpoint is no place to go on from.
    let other = cli.run(&["backfill", "photos", "--checkpoint", "at"]);
    assert_eq!(other.code, 2, "{}", other.stderr);

    let ended = backfill(&[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let summary = ended.lines.last().unwrap();
    assert!(summary["started"].as_u64() >= Some(count) && summary["complete"] == true, "{summary}");
    assert!(!checkpoint.exists(), "nothing is left to go on from");
    // What the function refuses is told in its own words.
    let refused = cli.run(&["backfill", "bucket", "--bucket", "holiday", "--owner", "jane"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("BackfillBucket"), "{}", refused.stderr);
}

/// Who the local stack's demo user is to the API: the subject of the token.
fn owner() -> String {
    let file =
        std::env::var_os("PHOTODROP_STACK").map_or_else(|| root().join(".local/stack.json"), PathBuf::from);
    let stack: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let claims = stack["token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

#[test]
fn scripts_can_tell_a_wrong_line_a_bad_token_and_no_server_apart() {
    let cli = Cli::new();
    let file = cli.photo("rgb.png", 0);
    assert_eq!(cli.run(&["upload"]).code, 2);
    assert_eq!(cli.run(&["get", "../../health"]).code, 2);
    let refused = ended(cli.command(&["upload", &file]).env("PHOTODROP_TOKEN", "nobody's").output().unwrap());
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    // Nothing listens on port 9 of this machine.
    let nowhere = ended(
        cli.command(&["upload", &file, "--api", "http://127.0.0.1:9", "--retries", "1"])
            .env("PHOTODROP_TOKEN", "x")
            .output()
            .unwrap(),
    );
    assert_eq!(nowhere.code, 4, "{}", nowhere.stderr);
    assert!(nowhere.stderr.contains("127.0.0.1:9 cannot be reached"), "{}", nowhere.stderr);
}
