//! `make load`: uploads on the running local stack without thumbnail work, with it, and with thumbnail work that hangs;
//! beside them the old way, which makes thumbnails inside the request.
//!
//! First one client beside one thumbnail at a time, in turn and again, so that a machine of two cores has one for each: what differs
//! is what thumbnails do to uploads. Then `PHOTODROP_LOAD_UPLOADS` (40) uploads in each phase by `PHOTODROP_LOAD_CLIENTS` (8)
//! clients with every event sent: everything runs on one machine, the emulator included, so what differs is mostly the want of cores.
//! Without these two it writes its tables into `docs/RELIABILITY.md`. What it has uploaded it deletes again.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_dynamodb::types::AttributeValue;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use photodrop_tests::aws::{event_for, subject};
use photodrop_tests::measure::{Times, handler_cpu_milliseconds, handler_milliseconds};
use photodrop_tests::old_way::{GATEWAY_TIMEOUT, OldWay};
use photodrop_tests::photos::photo;
use photodrop_tests::stack::root;
use photodrop_tests::{Api, Aws, Holdup, Stack};

/// How long a photo may wait for its thumbnails behind all the others.
const SETTLE: Duration = Duration::from_mins(5);

/// How long the log may lag behind.
const LOG_PATIENCE: Duration = Duration::from_secs(30);

/// How often one client's three phases are gone through, and how many uploads each of them has.
const ROUNDS: usize = 5;
const UPLOADS_OF_ONE: usize = 20;

/// Thumbnails that hang beside one client.
const HANGING: usize = 4;

struct Load {
    stack: Stack,
    api: Api,
    aws: Aws,
    owner: String,
    photo: Vec<u8>,
    uploads: usize,
    clients: usize,
}

/// What one phase showed.
struct Phase {
    name: &'static str,
    photo_ids: Vec<String>,
    handler: Times,
    /// CPU time of the upload function's process.
    cpu: Times,
    post: Times,
    put: Times,
}

impl Phase {
    fn and(mut self, again: Self) -> Self {
        self.photo_ids.extend(again.photo_ids);
        self.handler = self.handler.and(again.handler);
        self.cpu = self.cpu.and(again.cpu);
        self.post = self.post.and(again.post);
        self.put = self.put.and(again.put);
        self
    }
}

/// What clients saw, and since when (ms of the epoch) it is in the log.
struct Uploaded {
    since: i64,
    photo_ids: Vec<String>,
    post: Times,
    put: Times,
}

#[tokio::main]
async fn main() -> Result<()> {
    let stack = Stack::load()?;
    let load = Load {
        api: Api::new(&stack)?,
        aws: Aws::new(&stack).await,
        owner: subject(&stack.token)?,
        photo: photo("photo-6mp.jpg")?,
        uploads: number("PHOTODROP_LOAD_UPLOADS", 40)?,
        clients: number("PHOTODROP_LOAD_CLIENTS", 8)?,
        stack,
    };
    eprintln!("make load: warming both functions up");
    let warm_up = load.phase("warm-up", load.clients, load.clients).await?;
    load.settle(&warm_up).await?;
    eprintln!("make load: one client, {ROUNDS} rounds of three phases");
    let alone = load.one_client().await?;
    eprintln!("make load: all clients, three phases");
    let together = [load.idle().await?, load.loaded().await?, load.hung().await?];
    let mut report = format!(
        "`make load`: photo-6mp.jpg ({} kB), on {} cores.\n\n",
        load.photo.len() / 1000,
        std::thread::available_parallelism()?
    );
    writeln!(
        report,
        "One client, {ROUNDS} rounds of {UPLOADS_OF_ONE} uploads in each phase; of thumbnails one at a time is made, or \
        {HANGING} hang; ms:\n"
    )?;
    report.push_str(&Load::report(&alone)?);
    writeln!(
        report,
        "\n{} clients at once, {} uploads in each phase, every one with its event; ms:\n",
        load.clients, load.uploads
    )?;
    report.push_str(&Load::report(&together)?);
    eprintln!("make load: the old way, for a minute or so");
    let outcome = load.old_way().await;
    eprintln!("make load: deleting what was uploaded");
    load.clean_up(alone.iter().chain(&together).chain([&warm_up])).await?;
    report.push_str(&outcome?);
    println!("{report}");
    let is_as_documented =
        ["PHOTODROP_LOAD_UPLOADS", "PHOTODROP_LOAD_CLIENTS"].map(std::env::var_os) == [None, None];
    if is_as_documented {
        let page = root().join("docs/RELIABILITY.md");
        write_into(&page, &report)?;
        eprintln!("make load: written into docs/RELIABILITY.md");
    }
    Ok(())
}

/// Puts the report between its markers.
fn write_into(page: &Path, report: &str) -> Result<()> {
    const BEGIN: &str = "<!-- make load writes below -->";
    const END: &str = "<!-- make load writes above -->";
    let text = std::fs::read_to_string(page)?;
    let (before, rest) = text.split_once(BEGIN).context("the page has no place for the report")?;
    let (_, after) = rest.split_once(END).context("the page has no end of the report's place")?;
    std::fs::write(page, format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", report.trim_end()))?;
    Ok(())
}

fn number(variable: &str, default: usize) -> Result<usize> {
    std::env::var(variable).map_or(Ok(default), |text| text.parse().with_context(|| variable.to_owned()))
}

impl Load {
    /// Uploads, and what the log says of them.
    async fn phase(&self, name: &'static str, uploads: usize, clients: usize) -> Result<Phase> {
        let uploaded = self.upload(uploads, clients).await?;
        self.logged(name, uploaded).await
    }

    /// Uploads by so many clients at once. Anything but 201 and 200 is an error: success is 100 % or there is no result.
    async fn upload(&self, uploads: usize, clients: usize) -> Result<Uploaded> {
        // Log lines are told apart by the millisecond.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let began = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let upload = async |_: usize| {
            let started = Instant::now();
            let created = self.api.create("image/jpeg", self.photo.len()).await?;
            let posted = Instant::now();
            let reply = self.api.put(created.upload()?, self.photo.clone()).await?;
            ensure!(reply.status == 200, "PUT: {}: {}", reply.status, reply.text());
            let put = milliseconds(posted.elapsed());
            anyhow::Ok((created.photo_id, milliseconds(posted - started), put))
        };
        let done: Vec<_> =
            stream::iter(0..uploads).map(upload).buffer_unordered(clients).try_collect().await?;
        Ok(Uploaded {
            since: i64::try_from(began.as_millis())?,
            post: Times::new(done.iter().map(|(_, post, _)| *post).collect()),
            put: Times::new(done.iter().map(|(.., put)| *put).collect()),
            photo_ids: done.into_iter().map(|(photo_id, ..)| photo_id).collect(),
        })
    }

    /// Adds the handler's times. Lines come into the log some time after their answers.
    async fn logged(&self, name: &'static str, uploaded: Uploaded) -> Result<Phase> {
        let Uploaded { since, photo_ids, post, put } = uploaded;
        let deadline = Instant::now() + LOG_PATIENCE;
        loop {
            let lines = self.aws.log_lines(&self.stack.upload_log_group, since).await?;
            let times =
                |of: fn(&str) -> Option<f64>| Times::new(lines.iter().filter_map(|line| of(line)).collect());
            let (handler, cpu) = (times(handler_milliseconds), times(handler_cpu_milliseconds));
            if handler.len().min(cpu.len()) >= photo_ids.len() {
                return Ok(Phase { name, photo_ids, handler, cpu, post, put });
            }
            ensure!(Instant::now() < deadline, "{} log lines for {} uploads", handler.len(), photo_ids.len());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The phases of one client, in turn and again. No event is sent meanwhile; afterwards each is.
    async fn one_client(&self) -> Result<[Phase; 3]> {
        let bucket = &self.stack.originals_bucket;
        let notifications = self.aws.silence(bucket).await?;
        let measured = self.rounds().await;
        self.aws.notify(bucket, notifications).await?;
        let phases = measured?;
        for phase in &phases {
            self.send_events(&phase.photo_ids).await?;
        }
        for phase in &phases {
            self.settle(phase).await?;
        }
        Ok(phases)
    }

    async fn rounds(&self) -> Result<[Phase; 3]> {
        let mut phases = self.round().await?;
        for _ in 1..ROUNDS {
            let again = self.round().await?;
            let mut again = again.into_iter();
            phases = phases.map(|phase| match again.next() {
                Some(more) => phase.and(more),
                None => phase,
            });
        }
        Ok(phases)
    }

    /// What is uploaded in the first phase is made in the second and hangs in the third.
    async fn round(&self) -> Result<[Phase; 3]> {
        let rest = self.phase("rest", UPLOADS_OF_ONE, 1).await?;
        let (hanging, waiting) = rest.photo_ids.split_at(HANGING);
        let made = self.beside_making(waiting).await?;
        let hung = self.beside_hanging(hanging).await?;
        Ok([rest, made, hung])
    }

    async fn beside_making(&self, waiting: &[String]) -> Result<Phase> {
        let (first, waiting) = waiting.split_first().context("photos that wait")?;
        // A start of the function is not what is measured.
        self.aws.invoke(&self.stack.thumbnail_function, &self.event(first)).await?;
        let make = async {
            for photo_id in waiting {
                self.aws.invoke(&self.stack.thumbnail_function, &self.event(photo_id)).await?;
            }
            anyhow::bail!("{} thumbnails were made before {UPLOADS_OF_ONE} uploads", waiting.len())
        };
        let uploaded = tokio::select! {
            uploaded = self.upload(UPLOADS_OF_ONE, 1) => uploaded?,
            ended = make => ended?,
        };
        self.logged("are being made", uploaded).await
    }

    async fn beside_hanging(&self, photo_ids: &[String]) -> Result<Phase> {
        let beside = async |holdup: &Holdup| {
            self.send_events(photo_ids).await?;
            let deadline = Instant::now() + LOG_PATIENCE;
            while holdup.held() < photo_ids.len() {
                ensure!(
                    Instant::now() < deadline,
                    "{} of {} thumbnails hang",
                    holdup.held(),
                    photo_ids.len()
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok((self.upload(UPLOADS_OF_ONE, 1).await?, photo_ids.to_vec()))
        };
        let uploaded = self.while_hanging(beside).await?;
        self.logged("hang", uploaded).await
    }

    /// Does something while thumbnails hang, and waits until the photos that it names have got theirs.
    async fn while_hanging<T>(
        &self,
        work: impl AsyncFnOnce(&Holdup) -> Result<(T, Vec<String>)>,
    ) -> Result<T> {
        let function = &self.stack.thumbnail_function;
        let holdup = Holdup::start(&self.stack.endpoint).await?;
        let before = self.aws.set_environment(function, &[("AWS_ENDPOINT_URL_S3", &holdup.url)]).await?;
        let done = work(&holdup).await;
        holdup.release();
        // Before they are through, their processes would be used again with the environment that they were started in.
        let through = match &done {
            Ok((_, photo_ids)) => self.settled("hang", photo_ids).await,
            Err(_) => Ok(()),
        };
        self.aws.restore_environment(function, before).await?;
        through?;
        Ok(done?.0)
    }

    /// As S3 would have.
    async fn send_events(&self, photo_ids: &[String]) -> Result<()> {
        for photo_id in photo_ids {
            self.aws.send_event(&self.event(photo_id)).await?;
        }
        Ok(())
    }

    /// No event is sent meanwhile; afterwards each is.
    async fn idle(&self) -> Result<Phase> {
        let bucket = &self.stack.originals_bucket;
        let notifications = self.aws.silence(bucket).await?;
        let phase = self.phase("rest", self.uploads, self.clients).await;
        self.aws.notify(bucket, notifications).await?;
        let phase = phase?;
        self.send_events(&phase.photo_ids).await?;
        self.settle(&phase).await?;
        Ok(phase)
    }

    async fn loaded(&self) -> Result<Phase> {
        let phase = self.phase("are being made", self.uploads, self.clients).await?;
        self.settle(&phase).await?;
        Ok(phase)
    }

    async fn hung(&self) -> Result<Phase> {
        self.while_hanging(async |holdup: &Holdup| {
            let phase = self.phase("hang", self.uploads, self.clients).await?;
            ensure!(holdup.held() > 0, "no thumbnail was held up");
            let photo_ids = phase.photo_ids.clone();
            Ok((phase, photo_ids))
        })
        .await
    }

    /// All photos of a phase get their thumbnails.
    async fn settle(&self, phase: &Phase) -> Result<()> {
        self.settled(phase.name, &phase.photo_ids).await
    }

    async fn settled(&self, name: &str, photo_ids: &[String]) -> Result<()> {
        let deadline = Instant::now() + SETTLE;
        for photo_id in photo_ids {
            loop {
                let photo = self.api.photo(photo_id).await?.json();
                match photo["status"].as_str() {
                    Some("ready") => break,
                    Some("pending") if Instant::now() < deadline => {
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                    _ => anyhow::bail!("{name}: {photo_id} is {}", photo["status"]),
                }
            }
        }
        Ok(())
    }

    fn event(&self, photo_id: &str) -> serde_json::Value {
        let key = format!("photos/{}/{photo_id}/original", self.owner);
        event_for(&self.stack.originals_bucket, &key, None)
    }

    fn report(phases: &[Phase]) -> Result<String> {
        let mut text =
            "| thumbnails | handler median | p99 | its CPU median | POST median | p99 | PUT median | p99 | \
            handler against rest | its CPU |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
                .to_owned();
        let rest = phases.first().context("a phase of rest")?;
        for phase in phases {
            let pair = |times: &Times| format!("{:.2} | {:.2}", times.median(), times.percentile(99));
            let against = |times: &Times, rest: &Times| times.median() / rest.median();
            writeln!(
                text,
                "| {} | {} | {:.2} | {} | {} | {:.2} | {:.2} |",
                phase.name,
                pair(&phase.handler),
                phase.cpu.median(),
                pair(&phase.post),
                pair(&phase.put),
                against(&phase.handler, &rest.handler),
                against(&phase.cpu, &rest.cpu),
            )?;
        }
        Ok(text)
    }

    /// The same photo and the same clients, but the thumbnails are made inside the request.
    async fn old_way(&self) -> Result<String> {
        let mut text =
            "\nThe old way, thumbnails inside the request, under the lock of the owner's row; ms:\n\n\
            | phase | median | p99 | 201 | 503 |\n| --- | --- | --- | --- | --- |\n"
                .to_owned();
        let server = OldWay::start(&self.stack, &self.stack.endpoint).await?;
        text.push_str(&self.old_phase("one client", &server, 5, 1).await?);
        text.push_str(&self.old_phase("all clients", &server, self.uploads, self.clients).await?);
        let holdup = Arc::new(Holdup::start(&self.stack.endpoint).await?);
        let server = OldWay::start(&self.stack, &holdup.url).await?;
        let release = Arc::clone(&holdup);
        tokio::spawn(async move {
            tokio::time::sleep(GATEWAY_TIMEOUT + Duration::from_secs(5)).await;
            release.release();
        });
        text.push_str(&self.old_phase("storage hanging", &server, self.clients, self.clients).await?);
        // What goes on behind the gateway's back ends before its traces are removed.
        tokio::time::sleep(Duration::from_secs(10)).await;
        Ok(text)
    }

    /// Deletes the photos as their owner would, and what the old way has left.
    async fn clean_up(&self, phases: impl Iterator<Item = &Phase>) -> Result<()> {
        for photo_id in phases.flat_map(|phase| &phase.photo_ids) {
            let reply = self.api.delete(photo_id).await?;
            ensure!(reply.status == 204, "DELETE {photo_id}: {}: {}", reply.status, reply.text());
        }
        let bucket = &self.stack.thumbnails_bucket;
        for (key, _) in self.aws.objects(bucket, "old-way/").await? {
            self.aws.s3.delete_object().bucket(bucket).key(key).send().await?;
        }
        for number in 0..self.uploads + self.clients + 5 {
            let request = self.aws.dynamodb.delete_item().table_name(&self.stack.table_name);
            let request = request.key("pk", AttributeValue::S("old-way".to_owned()));
            request.key("sk", AttributeValue::S(format!("photo#{number}"))).send().await?;
        }
        Ok(())
    }

    async fn old_phase(&self, name: &str, server: &OldWay, uploads: usize, clients: usize) -> Result<String> {
        let upload = async |_: usize| {
            let started = Instant::now();
            let reply = self.api.send("POST".parse()?, &server.url, &[], self.photo.clone()).await?;
            anyhow::Ok((milliseconds(started.elapsed()), reply.status.as_u16()))
        };
        let done: Vec<_> =
            stream::iter(0..uploads).map(upload).buffer_unordered(clients).try_collect().await?;
        let times = Times::new(done.iter().map(|(time, _)| *time).collect());
        let count = |status| done.iter().filter(|(_, other)| *other == status).count();
        let (median, p99) = (times.median(), times.percentile(99));
        Ok(format!("| {name} | {median:.1} | {p99:.1} | {} | {} |\n", count(201), count(503)))
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
