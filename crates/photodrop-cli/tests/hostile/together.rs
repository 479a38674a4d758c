//! Files that are asked for by one request, and what a later run finds of them.

use std::collections::BTreeMap;
use std::fs;
use std::process::Output;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::Cli;
use crate::server::{Asked, Said, Server};
use crate::tokens::token;

/// An API as far as uploads by PUT need it: photos by their ids, and answers by idempotency keys.
#[derive(Default)]
struct Photos {
    /// Statuses by id.
    statuses: BTreeMap<String, String>,
    /// The ids that a key stands for.
    keys: BTreeMap<String, Vec<String>>,
    /// Announcements with this in their name are refused.
    refused: Option<&'static str>,
    /// Every request is answered 503.
    is_busy: bool,
    /// Every PUT is refused.
    refuses_puts: bool,
}

type Shared = Arc<Mutex<Photos>>;

fn id(number: usize) -> String {
    format!("01998a2e-7b7c-7cc0-8000-{number:012}")
}

fn problem(status: u16, code: &str) -> Said {
    (status, json!({ "code": code, "status": status }).to_string().into_bytes()).into()
}

impl Photos {
    fn answer(&mut self, asked: &Asked, url: &str) -> Said {
        let target = asked.target.as_str();
        if let Some(photo_id) = target.strip_prefix("/s3/") {
            if self.refuses_puts {
                return problem(400, "BadDigest");
            }
            self.statuses.insert(photo_id.to_owned(), "ready".to_owned());
            return (200, Vec::new()).into();
        }
        if self.is_busy {
            return problem(503, "UNAVAILABLE");
        }
        if target.ends_with("/upload") || target.ends_with("/uploads") {
            return self.create(asked, url);
        }
        let photo_id = target.rsplit('/').next().unwrap();
        if asked.head.starts_with("delete") {
            self.statuses.remove(photo_id);
            return (204, Vec::new()).into();
        }
        match self.statuses.get(photo_id) {
            Some(status) => {
                (200, json!({ "photo_id": photo_id, "status": status }).to_string().into_bytes()).into()
            }
            None => problem(404, "NOT_FOUND"),
        }
    }

    fn create(&mut self, asked: &Asked, url: &str) -> Said {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let is_batch = asked.target.ends_with("/uploads");
        let uploads = if is_batch { body["uploads"].as_array().unwrap().clone() } else { vec![body] };
        assert!(uploads.len() <= 25);
        let is_refused = |upload: &Value| {
            self.refused.is_some_and(|name| upload["file_name"].as_str().unwrap().contains(name))
        };
        if uploads.iter().any(is_refused) {
            return problem(413, "TOO_LARGE");
        }
        let key = asked.head.split("idempotency-key: ").nth(1).unwrap().lines().next().unwrap();
        // Keys are an owner's own. The token's claims end with the owner.
        let claims = asked.head.split("bearer ").nth(1).unwrap().split('.').nth(1).unwrap();
        let key = format!("{} {key}", &claims[claims.len() - 8..]);
        let count = self.statuses.len() + self.keys.len() * 100;
        let ids = self.keys.entry(key).or_insert_with(|| {
            let ids: Vec<_> = (0..uploads.len()).map(|number| id(count + number)).collect();
            self.statuses.extend(ids.iter().map(|id| (id.clone(), "pending".to_owned())));
            ids
        });
        if ids.iter().any(|id| !self.statuses.contains_key(id)) {
            return problem(409, "IDEMPOTENCY_CONFLICT");
        }
        let created = ids.iter().map(|id| {
            let status = &self.statuses[id];
            let signed = json!({ "method": "PUT", "url": format!("{url}/s3/{id}"), "headers": {} });
            let upload = if status == "pending" { signed } else { Value::Null };
            json!({ "photo_id": id, "status": status, "upload": upload })
        });
        let created: Vec<_> = created.collect();
        let answer = if is_batch { json!({ "uploads": created }) } else { created[0].clone() };
        (201, answer.to_string().into_bytes()).into()
    }
}

struct Stack {
    cli: Cli,
    photos: Shared,
    server: Server,
}

impl Stack {
    fn new() -> Self {
        let photos = Shared::default();
        let shared = Arc::clone(&photos);
        let server = Server::start(move |asked: &Asked, url: &str| shared.lock().unwrap().answer(asked, url));
        Self { cli: Cli::new(), photos, server }
    }

    /// Small files with bytes of their own.
    fn files(&self, names: &[&str]) {
        for name in names {
            fs::write(self.cli.path("below").join(name), format!("GIF89a {name}")).unwrap();
        }
    }

    fn upload_as(&self, owner: &str, arguments: &[&str]) -> Output {
        let mut command =
            self.cli.command(&["upload", "--json", "--retries", "0", "--api", &self.server.url]);
        command.args(arguments).env("PHOTODROP_TOKEN", token(owner, 3600)).output().unwrap()
    }

    /// The lines of an upload by file, which must end with this code.
    fn upload(&self, code: i32, files: &[&str]) -> BTreeMap<String, Value> {
        let output = self.upload_as("jane", files);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| (line["file"].as_str().unwrap().to_owned(), line)).collect()
    }

    fn asked(&self, end: &str) -> usize {
        self.server
            .asked()
            .iter()
            .filter(|asked| asked.head.starts_with("post") && asked.target.ends_with(end))
            .count()
    }

    fn deletes(&self) -> usize {
        self.server.asked().iter().filter(|asked| asked.head.starts_with("delete")).count()
    }

    fn sent(&self) -> usize {
        self.server.asked().iter().filter(|asked| asked.target.starts_with("/s3/")).count()
    }
}

fn ids(lines: &BTreeMap<String, Value>) -> Vec<&str> {
    lines.values().map(|line| line["photo_id"].as_str().unwrap()).collect()
}

#[test]
fn many_files_are_asked_for_by_few_requests() {
    let stack = Stack::new();
    let names: Vec<_> = (0..60).map(|number| format!("{number:02}.gif")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    stack.files(&names);
    let lines = stack.upload(0, &names);
    assert_eq!((lines.len(), stack.sent()), (60, 60));
    assert_eq!((stack.asked("/uploads"), stack.asked("/upload")), (3, 0));
    // The same command finds what it did, and a command with other files does as well.
    for files in [names.clone(), names.iter().rev().copied().collect(), names[3..40].to_vec()] {
        let again = stack.upload(0, &files);
        assert!(
            again
                .iter()
                .all(|(name, line)| line["already"] == true && line["photo_id"] == lines[name]["photo_id"])
        );
    }
    assert_eq!((stack.sent(), stack.photos.lock().unwrap().statuses.len()), (60, 60));
}

#[test]
fn a_file_is_one_photo_alone_and_among_others() {
    let stack = Stack::new();
    stack.files(&["a.gif", "b.gif", "c.gif"]);
    let alone = stack.upload(0, &["a.gif"]);
    let all = stack.upload(0, &["a.gif", "b.gif", "c.gif"]);
    assert_eq!(all["a.gif"]["photo_id"], alone["a.gif"]["photo_id"]);
    assert_eq!(stack.upload(0, &["c.gif"])["c.gif"]["photo_id"], all["c.gif"]["photo_id"]);
    assert_eq!(stack.sent(), 3);
    // Another user's photos are others, and so are those that are to be new ones.
    assert_eq!(stack.upload_as("joe", &["b.gif", "c.gif"]).status.code(), Some(0));
    assert_eq!(stack.upload_as("jane", &["--again", "b.gif", "c.gif"]).status.code(), Some(0));
    assert_eq!(stack.photos.lock().unwrap().statuses.len(), 7);
}

#[test]
fn the_same_file_in_two_folders_is_one_photo() {
    let stack = Stack::new();
    let mut files = Vec::new();
    for folder in ["one", "two", "three"] {
        let folder = stack.cli.path("below").join(folder);
        fs::create_dir(&folder).unwrap();
        for number in 0..20 {
            let file = folder.join(format!("{number}.gif"));
            fs::write(&file, format!("GIF89a {number}")).unwrap();
            files.push(file.display().to_string());
        }
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let lines = stack.upload(0, &files);
    let distinct: std::collections::BTreeSet<_> = ids(&lines).into_iter().map(str::to_owned).collect();
    assert_eq!((lines.len(), distinct.len()), (60, 20));
    assert_eq!(stack.photos.lock().unwrap().statuses.len(), 20);
}

#[test]
fn a_batch_that_is_refused_is_asked_for_one_by_one() {
    let stack = Stack::new();
    stack.files(&["a.gif", "large.gif", "c.gif"]);
    stack.photos.lock().unwrap().refused = Some("large");
    let lines = stack.upload(1, &["a.gif", "large.gif", "c.gif", "missing.gif"]);
    assert_eq!(lines["large.gif"]["error"]["code"], "TOO_LARGE");
    assert_eq!(lines["missing.gif"]["error"]["code"], "IO");
    assert_eq!(
        (lines["a.gif"]["already"].clone(), lines["c.gif"]["already"].clone()),
        (json!(false), json!(false))
    );
    assert_eq!((stack.asked("/uploads"), stack.asked("/upload")), (1, 3));
}

#[test]
fn a_busy_service_is_not_asked_one_by_one() {
    let stack = Stack::new();
    stack.files(&["a.gif", "b.gif"]);
    stack.photos.lock().unwrap().is_busy = true;
    let lines = stack.upload(1, &["a.gif", "b.gif"]);
    assert!(lines.values().all(|line| line["error"]["code"] == "UNAVAILABLE"), "{lines:?}");
    assert_eq!((stack.asked("/uploads"), stack.asked("/upload")), (1, 0));
}

#[test]
fn a_deleted_photo_is_sent_anew_and_the_others_of_its_batch_are_found() {
    let stack = Stack::new();
    stack.files(&["a.gif", "b.gif", "c.gif"]);
    let before = stack.upload(0, &["a.gif", "b.gif", "c.gif"]);
    let deleted = before["b.gif"]["photo_id"].as_str().unwrap();
    {
        let mut photos = stack.photos.lock().unwrap();
        photos.statuses.remove(deleted);
        // S3 has acknowledged its bytes, and no thumbnails are made: the stack is stopped.
        photos
            .statuses
            .insert(before["c.gif"]["photo_id"].as_str().unwrap().to_owned(), "pending".to_owned());
    }
    let after = stack.upload(0, &["a.gif", "b.gif", "c.gif"]);
    assert_eq!(after["a.gif"]["photo_id"], before["a.gif"]["photo_id"]);
    assert!(!ids(&before).contains(&after["b.gif"]["photo_id"].as_str().unwrap()));
    assert_eq!((&after["a.gif"]["already"], &after["b.gif"]["already"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&after["c.gif"]["photo_id"], &after["c.gif"]["status"]),
        (&before["c.gif"]["photo_id"], &json!("uploaded"))
    );
    assert_eq!((stack.sent(), stack.deletes()), (4, 0));
    // A third run finds the photo that took the deleted one's place.
    let third = stack.upload(0, &["b.gif", "c.gif"]);
    assert_eq!(
        ids(&third),
        [&after["b.gif"], &after["c.gif"]].map(|line| line["photo_id"].as_str().unwrap())
    );
    assert_eq!((stack.sent(), stack.deletes()), (4, 0));
}

#[test]
fn a_member_whose_put_failed_is_sent_anew_without_a_delete() {
    let stack = Stack::new();
    stack.files(&["a.gif", "b.gif", "c.gif"]);
    stack.photos.lock().unwrap().refuses_puts = true;
    stack.upload(1, &["a.gif", "b.gif", "c.gif"]);
    let unsent: Vec<_> = {
        let mut photos = stack.photos.lock().unwrap();
        photos.refuses_puts = false;
        photos.statuses.pop_first();
        photos.statuses.keys().cloned().collect()
    };
    let after = stack.upload(0, &["a.gif", "b.gif", "c.gif"]);
    assert!(ids(&after).iter().all(|id| !unsent.iter().any(|other| other == id)), "{after:?}");
    assert_eq!((stack.sent(), stack.deletes()), (6, 0));
}

#[test]
fn files_are_asked_for_alone_where_nothing_can_be_remembered() {
    let stack = Stack::new();
    stack.files(&["a.gif", "b.gif"]);
    fs::write(stack.cli.path("file"), "no folder").unwrap();
    let state = stack.cli.path("file").display().to_string();
    let first = stack.upload(0, &["--state", &state, "a.gif", "b.gif"]);
    let second = stack.upload(0, &["--state", &state, "b.gif", "a.gif"]);
    assert_eq!(ids(&first), ids(&second));
    assert_eq!((stack.asked("/uploads"), stack.sent()), (0, 2));
}
