//! Where unfinished uploads and checkpoints are kept, and what is done where they cannot be.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Output;

use serde_json::json;

use crate::server::{Asked, Server};
use crate::{Cli, evil_storage, evil_xml, stderr};

/// A file that is sent in two parts, in the folder that the program runs in.
fn large(cli: &Cli, name: &str) {
    let mut gif = b"GIF89a".to_vec();
    gif.resize(9 * 1024 * 1024, 0);
    fs::write(cli.path("below").join(name), gif).unwrap();
}

fn upload(cli: &Cli, server: &Server, arguments: &[&str]) -> Output {
    let mut command = cli.command(&["upload", "--api", &server.url, "--retries", "0"]);
    command.args(arguments).env("PHOTODROP_TOKEN", "mine").output().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// The parts are begun, and S3 then refuses them: the upload stays to be resumed.
fn begun(asked: &Asked, url: &str) -> (u16, Vec<u8>) {
    if asked.target.contains("/api/") {
        return evil_storage(asked, url);
    }
    let begins = !asked.has_body;
    let xml = if begins { b"<UploadId>u1</UploadId>".to_vec() } else { evil_xml() };
    (if begins { 200 } else { 400 }, xml)
}

#[test]
fn what_is_remembered_of_an_upload_is_its_user_s_alone() {
    let server = Server::start(begun);
    let cli = Cli::new();
    large(&cli, "large.gif");
    let failed = upload(&cli, &server, &["large.gif"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    let state = cli.path("state");
    assert!(state.is_dir(), "{failed:?}");
    let files: Vec<_> = fs::read_dir(&state).unwrap().map(|file| file.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}: {failed:?}") };
    assert_eq!((mode(&state), mode(file)), (0o700, 0o600));
    assert!(fs::read_to_string(file).unwrap().contains("u1"));
}

#[test]
fn a_folder_that_was_there_keeps_its_mode() {
    let server = Server::start(begun);
    let cli = Cli::new();
    large(&cli, "large.gif");
    let folder = cli.path("below");
    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    let failed = upload(&cli, &server, &["--state", ".", "large.gif"]);
    assert_eq!(mode(&folder), 0o755, "{failed:?}");
    let is_kept = |path: &Path| path.extension().is_some_and(|extension| extension == "json");
    let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let kept: Vec<_> = files.filter(|path| is_kept(path)).collect();
    let [file] = &kept[..] else { panic!("{kept:?}: {failed:?}") };
    assert_eq!(mode(file), 0o600);
    // It is gone on with from there.
    let asked_before = server.asked().len();
    let again = upload(&cli, &server, &["--state", ".", "large.gif"]);
    let begins = server.asked()[asked_before..].iter().filter(|asked| asked.begins).count();
    assert_eq!(begins, 0, "{again:?}");
}

#[test]
fn an_upload_is_done_where_nothing_can_be_remembered() {
    // Whatever S3 is asked for, it does.
    let server = Server::start(|asked: &Asked, url: &str| {
        if asked.target.contains("/api/") {
            evil_storage(asked, url)
        } else {
            (200, b"<UploadId>u1</UploadId>".to_vec())
        }
    });
    let cli = Cli::new();
    for name in ["one.gif", "two.gif"] {
        large(&cli, name);
    }
    let (open, link, file) = (cli.path("open"), cli.path("link"), cli.path("file"));
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o1777)).unwrap();
    fs::create_dir(cli.path("real")).unwrap();
    symlink(cli.path("real"), &link).unwrap();
    fs::write(&file, "no folder").unwrap();
    for state in [&open, &link, &file, &file.join("below")] {
        let uploaded =
            upload(&cli, &server, &["--state", &state.display().to_string(), "one.gif", "two.gif"]);
        assert_eq!(uploaded.status.code(), Some(0), "{uploaded:?}");
        let said = stderr(&uploaded);
        assert_eq!(said.matches("no unfinished upload is remembered").count(), 1, "{said}");
        assert!(said.contains(&state.display().to_string()), "{said}");
    }
    assert_eq!(mode(&open), 0o1777);
    for folder in [&open, &cli.path("real")] {
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0, "nothing is written where others can write");
    }
}

/// A function that has examined and started one photo of many.
fn started(_: &Asked, _: &str) -> (u16, Vec<u8>) {
    (
        200,
        json!({ "backfill": { "examined": 1, "started": 1, "checkpoint": "c1", "complete": false } })
            .to_string()
            .into(),
    )
}

#[test]
fn a_checkpoint_s_folder_is_made_before_a_photo_is_started() {
    let server = Server::start(started);
    let cli = Cli::new();
    cli.describe(&server.url);
    let backfill = |arguments: &[&str]| {
        let mut command = cli.command(&["backfill", "photos", "--max-photos", "1", "--checkpoint"]);
        command.args(arguments).output().unwrap()
    };
    let folder = cli.path("below").join("new");
    let looked = backfill(&["new/dir/cp.json", "--dry-run"]);
    assert_eq!((looked.status.code(), folder.exists()), (Some(0), false), "{looked:?}");
    let stopped = backfill(&["new/dir/cp.json"]);
    assert_eq!(stopped.status.code(), Some(0), "{stopped:?}");
    assert!(fs::read_to_string(folder.join("dir/cp.json")).unwrap().contains("\"c1\""));
    assert_eq!((mode(&folder), mode(&folder.join("dir"))), (0o700, 0o700));
    assert_eq!(backfill(&["cp.json"]).status.code(), Some(0));

    // Where no checkpoint can be written nothing is started.
    let asked = server.asked().len();
    let long = "x".repeat(240);
    for name in [long.as_str(), "cp.json/cp.json"] {
        let refused = backfill(&[name]);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(stderr(&refused).contains(&name[..7]), "{refused:?}");
    }
    assert_eq!(server.asked().len(), asked);
}
