//! What a hostile folder and a hostile server can do to the command line. It needs no stack: the server is here.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod account;
mod kept;
mod late;
mod profiles;
#[path = "../support/program.rs"]
mod program;
mod s3;
mod server;
mod together;
mod tokens;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use program::program;
use serde_json::{Value, json};
use server::{Answer, Asked, Server};

const ID: &str = "01998a2e-7b7c-7cc0-8000-000000000001";

/// Clears the screen, colours, rings, reverses the text, and forges a line and a column.
const EVIL: &str = "\u{1b}[2J\u{9b}31m\u{7}\u{7f}\u{85}\u{202e}\u{2066}\u{2028}\r\nforged\tdone\0<end>";

struct Cli {
    folder: tempfile::TempDir,
}

impl Cli {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The program in a folder below the one that may have a stack's description.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(&self.path("below"), &self.folder.path().join("state"));
        command.env_remove("PHOTODROP_STACK").args(arguments);
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        if name == "below" {
            fs::create_dir_all(&path).unwrap();
        }
        path
    }

    /// A description of a local stack in the folder above the one that the program runs in.
    fn describe(&self, api_url: &str) -> PathBuf {
        let path = self.path(".local/stack.json");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let description = json!({ "endpoint": api_url, "api_url": api_url, "region": "us-east-1", "token": "demo",
            "access_key_id": "test", "secret_access_key": "test", "reconcile_function": "reconcile" });
        fs::write(&path, description.to_string()).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        path
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn no_photos(_: &Asked, _: &str) -> (u16, Vec<u8>) {
    (200, json!({ "photos": [], "next_cursor": null }).to_string().into_bytes())
}

#[test]
fn a_given_token_is_not_sent_to_the_api_that_a_folder_names() {
    let server = Server::start(no_photos);
    let cli = Cli::new();
    let file = cli.describe(&server.url);
    let token = cli.path("token");
    fs::write(&token, "mine").unwrap();
    let by_file = token.display().to_string();
    for command in [
        cli.command(&["list"]).env("PHOTODROP_TOKEN", "mine"),
        cli.command(&["status"]).env("PHOTODROP_TOKEN", "mine"),
        cli.command(&["list", "--token-file", &by_file]).env("PHOTODROP_STACK", ""),
    ] {
        let refused = command.output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        let said = stderr(&refused);
        assert!(said.contains("--api URL") && said.contains("PHOTODROP_TOKEN"), "{said}");
    }
    assert_eq!(server.asked().len(), 0, "{:?}", server.asked());

    // A user who names the API, or the description of the stack, sends the token there.
    for command in [
        cli.command(&["list", "--api", &server.url]).env("PHOTODROP_TOKEN", "mine"),
        cli.command(&["list"]).env("PHOTODROP_TOKEN", "mine").env("PHOTODROP_API", &server.url),
        cli.command(&["list"]).env("PHOTODROP_TOKEN", "mine").env("PHOTODROP_STACK", &file),
    ] {
        let listed = command.output().unwrap();
        assert_eq!(listed.status.code(), Some(0), "{listed:?}");
    }
    let asked = server.asked();
    assert_eq!(asked.iter().filter(|asked| asked.head.contains("authorization: bearer mine")).count(), 3);
    // And the folder's own user is known without a token.
    assert_eq!(cli.command(&["list"]).output().unwrap().status.code(), Some(0));
    assert!(server.asked()[3].head.contains("authorization: bearer demo"));
}

#[test]
fn a_description_that_others_could_have_written_is_not_used() {
    let server = Server::start(no_photos);
    let cli = Cli::new();
    let file = cli.describe(&server.url);
    for mode in [0o620, 0o602, 0o666, 0o777] {
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        for command in [&mut cli.command(&["list"]), cli.command(&["list"]).env("PHOTODROP_STACK", &file)] {
            let refused = command.output().unwrap();
            assert_eq!(refused.status.code(), Some(2), "{mode:o}: {refused:?}");
            let said = stderr(&refused);
            assert!(said.contains("chmod go-w") && said.contains("--api URL"), "{said}");
        }
    }
    let real = cli.path("real.json");
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    fs::rename(&file, &real).unwrap();
    for target in [real.as_path(), Path::new("nowhere")] {
        let _ = fs::remove_file(&file);
        symlink(target, &file).unwrap();
        let refused = cli.command(&["list"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(stderr(&refused).contains("symbolic link"), "{refused:?}");
    }
    assert_eq!(server.asked().len(), 0);
}

#[test]
fn a_folder_that_names_another_machine_is_asked_for_nothing() {
    let cli = Cli::new();
    for url in ["http://192.0.2.1:9/", "https://localhost.evil.example", "http://localhost@evil.example"] {
        cli.describe(url);
        let photo = cli.path("below").join("a.gif");
        fs::write(&photo, "GIF89a").unwrap();
        for arguments in [vec!["list"], vec!["upload", "a.gif"], vec!["backfill", "photos", "--dry-run"]] {
            let refused = cli.command(&arguments).output().unwrap();
            assert_eq!(refused.status.code(), Some(2), "{url} {arguments:?}: {refused:?}");
            let said = stderr(&refused);
            assert!(said.contains("not on this machine") && said.contains("--api URL"), "{said}");
        }
    }
}

/// A photo with something evil in every field.
fn evil_photo(url: &str) -> Value {
    json!({
        "photo_id": format!("{ID}{EVIL}"), "status": format!("ready{EVIL}"), "file_name": EVIL, "content_type": EVIL,
        "created_at": format!("2026-11-25T10:11:1{EVIL}"), "size_bytes": 6, "thumbhash": EVIL, "dominant_color": EVIL,
        "original": { "format": EVIL, "width": EVIL, "height": [EVIL] }, "failure": { "code": EVIL },
        "metadata": { EVIL: EVIL }, EVIL: EVIL,
        "variants": [{ "name": EVIL, "format": EVIL, "width": EVIL, "height": {EVIL: 1}, "size_bytes": 6,
            "url": format!("{url}/{EVIL}") }],
    })
}

fn problem() -> Vec<u8> {
    let problem = json!({ "code": EVIL, "detail": EVIL, "request_id": EVIL, "status": 422,
        "errors": [{ "pointer": EVIL, "detail": EVIL }] });
    problem.to_string().into_bytes()
}

fn evil_xml() -> Vec<u8> {
    format!("<Error><Code>{EVIL}</Code><Message>{EVIL}</Message></Error>").into_bytes()
}

/// Says yes to everything, with something evil in it.
fn evil_yes(asked: &Asked, url: &str) -> (u16, Vec<u8>) {
    let target = asked.target.split('?').next().unwrap_or_default();
    let body = match (asked.head.split(' ').next().unwrap_or_default(), target) {
        ("get", "/api/v4/photo") => json!({ "photos": [evil_photo(url)], "next_cursor": null }),
        ("post", path) if path.ends_with("/upload") => {
            json!({ "photo_id": format!("{ID}{EVIL}"), "status": format!("ready{EVIL}") })
        }
        _ => evil_photo(url),
    };
    (200, body.to_string().into_bytes())
}

/// Refuses everything by a problem document.
fn evil_no(_: &Asked, _: &str) -> (u16, Vec<u8>) {
    (422, problem())
}

/// Refuses by text that is no problem document.
fn evil_text(_: &Asked, _: &str) -> (u16, Vec<u8>) {
    (500, EVIL.repeat(3).into_bytes())
}

/// Answers what is neither JSON nor text.
fn evil_bytes(_: &Asked, _: &str) -> (u16, Vec<u8>) {
    (200, [b"{\"photos\": [\x1b[2J\x9b\xff", EVIL.as_bytes()].concat())
}

/// Signs, and then S3 refuses.
fn evil_storage(asked: &Asked, url: &str) -> (u16, Vec<u8>) {
    if !asked.target.contains("/api/") {
        return (400, evil_xml());
    }
    let multipart = json!({ "method": "multipart", "part_size_bytes": 8_388_608, "part_count": 2 });
    let put = json!({ "method": "PUT", "url": format!("{url}/s3"), "headers": {} });
    let how = if asked.in_parts { multipart } else { put };
    let answer = if asked.target.ends_with("/sign") {
        json!({ "method": "POST", "url": format!("{url}/s3?uploads"), "headers": {} })
    } else if asked.target.ends_with("/upload") {
        json!({ "photo_id": ID, "status": "pending", "upload": how })
    } else {
        json!({ "photo_id": ID, "status": "ready", "variants":
            [{ "name": "small", "format": "webp", "size_bytes": 6, "url": format!("{url}/s3") }] })
    };
    (200, answer.to_string().into_bytes())
}

/// Names a method and headers that are none.
fn evil_signature(asked: &Asked, url: &str) -> (u16, Vec<u8>) {
    let put =
        json!({ "method": "PUT", "url": format!("{url}/{EVIL}"), "headers": { EVIL: EVIL, "a": EVIL } });
    let answer = if asked.target.ends_with("/upload") {
        json!({ "photo_id": ID, "status": EVIL, "upload": put })
    } else {
        json!({ "photo_id": ID, "status": "failed", "failure": { "code": EVIL } })
    };
    (200, answer.to_string().into_bytes())
}

/// Nothing that a terminal obeys, but the ends of lines and the tabs between columns that the program itself writes.
fn assert_plain(text: &[u8], lines: Option<usize>, what: &str) {
    let text = String::from_utf8(text.to_vec()).unwrap();
    for c in text.chars() {
        let is_own = c == '\n' || c == '\t';
        let turns = matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(is_own || !(c.is_control() || turns), "{what}: {c:?} in {text:?}");
    }
    assert!(!text.contains("\nforged") && !text.contains("forged\t"), "{what}: {text:?}");
    if let Some(lines) = lines {
        assert_eq!(text.lines().count(), lines, "{what}: {text:?}");
    }
}

#[test]
fn nothing_that_a_server_says_commands_the_terminal() {
    let cli = Cli::new();
    let small = cli.path("below").join(format!("{}.gif", EVIL.replace('\0', "")));
    fs::write(&small, "GIF89a").unwrap();
    let large = cli.path("large.gif");
    let mut gif = b"GIF89a".to_vec();
    gif.resize(9 * 1024 * 1024, 0);
    fs::write(&large, gif).unwrap();
    let (small, large) = (small.display().to_string(), large.display().to_string());
    let commands: [&[&str]; 11] = [
        &["list"],
        &["status"],
        &["get", ID],
        &["get", ID, "--download", "out"],
        &["delete", ID],
        &["upload", &small],
        &["upload", "--wait", "--again", &small],
        &["upload", &large],
        &["get", EVIL_ID],
        &["upload", "\u{1b}[2J\n.gif"],
        &["list", "--\u{1b}[2J\n\u{202e}"],
    ];
    for (name, answer) in [
        ("yes", evil_yes as Answer),
        ("no", evil_no),
        ("text", evil_text),
        ("bytes", evil_bytes),
        ("storage", evil_storage),
        ("signature", evil_signature),
    ] {
        let server = Server::start(answer);
        for arguments in commands {
            for json in [false, true] {
                let mut command = cli.command(arguments);
                command.args(["--api", &server.url, "--retries", "0"]).env("PHOTODROP_TOKEN", "mine");
                if json {
                    command.arg("--json");
                }
                let output = command.output().unwrap();
                let what = format!("{name} {arguments:?}");
                assert_plain(&output.stdout, None, &what);
                assert_plain(&output.stderr, None, &what);
                if json {
                    for line in String::from_utf8(output.stdout).unwrap().lines() {
                        let value: Value = serde_json::from_str(line).unwrap();
                        assert!(value.is_object(), "{what}: {line}");
                    }
                }
            }
        }
    }
}

const EVIL_ID: &str = "\u{1b}]0;title\u{7}\n";

#[test]
fn what_was_said_is_escaped_and_not_lost() {
    let server = Server::start(evil_yes);
    let cli = Cli::new();
    let run = |arguments: &[&str]| {
        let mut command = cli.command(arguments);
        command
            .args(["--api", &server.url, "--retries", "0"])
            .env("PHOTODROP_TOKEN", "mine")
            .output()
            .unwrap()
    };
    let listed = run(&["list", "-n", "1"]);
    assert_plain(&listed.stdout, Some(1), "list");
    assert!(
        String::from_utf8(listed.stdout)
            .unwrap()
            .contains("\\u001b[2J\\u009b31m\\u0007\\u007f\\u0085\\u202e")
    );
    let shown: Value = serde_json::from_slice(&run(&["get", ID, "--json"]).stdout).unwrap();
    assert_eq!(shown, evil_photo(&server.url), "JSON means what it meant");
    let refusing = Server::start(evil_no);
    let mut command = cli.command(&["delete", ID, "--api", &refusing.url]);
    let refused = command.env("PHOTODROP_TOKEN", "mine").output().unwrap();
    assert_plain(&refused.stderr, Some(2), "delete");
}
