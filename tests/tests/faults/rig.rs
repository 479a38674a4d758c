//! Functions behind the fault proxy, and the count at the end.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Result, ensure};
use aws_sdk_sqs::types::QueueAttributeName;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use photodrop_tests::audit::{self, Expected};
use photodrop_tests::faults::{Fault, FaultProxy};
use photodrop_tests::{Api, Aws, Stack, aws};
use tokio::sync::{Mutex, MutexGuard};

/// One experiment at a time has the functions.
static FUNCTIONS: Mutex<()> = Mutex::const_new(());

/// Photos in the air at a time.
pub(crate) const CONCURRENCY: usize = 6;

/// The queue's visibility timeout in an experiment, in seconds: a message whose invocation was killed comes again after it. It is
/// six minutes otherwise.
const VISIBILITY: &str = "10";

/// Whether every call is to be tried.
pub(crate) fn is_chaos() -> bool {
    std::env::var("PHOTODROP_CHAOS").is_ok_and(|value| !matches!(value.as_str(), "" | "0"))
}

/// What an experiment works with.
pub(crate) struct Rig {
    pub(crate) stack: Stack,
    pub(crate) api: Api,
    pub(crate) aws: Aws,
    pub(crate) owner: String,
    pub(crate) proxy: FaultProxy,
    /// The functions behind the proxy, with their environments as they were.
    replaced: Vec<(String, HashMap<String, String>)>,
    /// The queue's visibility timeout as it was.
    visibility: String,
    _functions: MutexGuard<'static, ()>,
}

/// A photo, and how it should end.
pub(crate) type Acknowledged = (String, Expected);

impl Rig {
    /// Puts the proxy between the function that `choose` names and the AWS of `variables`.
    pub(crate) async fn new(choose: impl Fn(&Stack) -> &str, variables: &[&str]) -> Result<Self> {
        let mut rig = Self::bare().await?;
        let function = choose(&rig.stack).to_owned();
        rig.put_behind_proxy(function, variables).await?;
        Ok(rig)
    }

    /// Puts the proxy between all three functions and AWS. URLs that the upload function signs lead to S3 as ever.
    pub(crate) async fn everything() -> Result<Self> {
        let mut rig = Self::bare().await?;
        let stack = rig.stack.clone();
        rig.put_behind_proxy(stack.upload_function, &["AWS_ENDPOINT_URL_DYNAMODB"]).await?;
        rig.put_behind_proxy(stack.thumbnail_function, &["AWS_ENDPOINT_URL"]).await?;
        rig.put_behind_proxy(stack.reconcile_function, &["AWS_ENDPOINT_URL"]).await?;
        Ok(rig)
    }

    /// Nothing behind the proxy.
    pub(crate) async fn bare() -> Result<Self> {
        let functions = FUNCTIONS.lock().await;
        let stack = Stack::load()?;
        let aws = Aws::new(&stack).await;
        let proxy = FaultProxy::start(&stack.endpoint).await?;
        let (api, owner) = (Api::new(&stack)?, aws::subject(&stack.token)?);
        let visibility = aws.set_queue_attribute(QueueAttributeName::VisibilityTimeout, VISIBILITY).await?;
        let replaced = Vec::new();
        Ok(Self { stack, api, aws, owner, proxy, replaced, visibility, _functions: functions })
    }

    /// Has messages whose invocations were killed or throttled come again soon.
    pub(crate) async fn shorten_visibility(&self) -> Result<()> {
        self.aws.set_queue_attribute(QueueAttributeName::VisibilityTimeout, VISIBILITY).await.map(drop)
    }

    async fn put_behind_proxy(&mut self, function: String, variables: &[&str]) -> Result<()> {
        let changes: Vec<_> = variables.iter().map(|variable| (*variable, self.proxy.url.as_str())).collect();
        let environment = self.aws.set_environment(&function, &changes).await?;
        self.replaced.push((function, environment));
        Ok(())
    }

    /// Counts up, prints what was injected, and takes the proxy away. What is wrong is an error.
    pub(crate) async fn finish(self, name: &str, outcome: Result<Vec<Acknowledged>>) -> Result<()> {
        for (function, environment) in &self.replaced {
            self.aws.restore_environment(function, environment.clone()).await?;
        }
        self.aws.set_queue_attribute(QueueAttributeName::VisibilityTimeout, &self.visibility).await?;
        let photos = outcome?;
        let mut findings = Vec::new();
        for (photo_id, expected) in &photos {
            let (stack, api, aws) = (&self.stack, &self.api, &self.aws);
            findings.extend(audit::findings(stack, api, aws, &self.owner, photo_id, *expected).await?);
        }
        let injected = self.proxy.injected();
        println!(
            "{name}: {} faults, {} photos, {} lost",
            injected.values().sum::<usize>(),
            photos.len(),
            findings.len()
        );
        let mut operations: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((operation, fault), times) in &injected {
            operations.entry(operation).or_default().push(format!("{fault} {times}"));
        }
        for (operation, faults) in operations {
            println!("  {operation}: {}", faults.join(", "));
        }
        ensure!(findings.is_empty(), "{name}:\n{}", findings.join("\n"));
        Ok(())
    }

    /// Waits until a photo is no longer pending.
    pub(crate) async fn settled(&self, photo_id: &str) -> Result<()> {
        self.api.settled_when_busy(photo_id).await.map(drop)
    }

    /// How many faults have happened. While they do, the trouble that a test makes is not over.
    pub(crate) fn injected(&self) -> usize {
        self.proxy.injected().values().sum()
    }

    /// Fails if a planned fault did not happen.
    pub(crate) fn ensure_injected(&self, planned: usize) -> Result<()> {
        let injected = self.injected();
        ensure!(injected >= planned, "{injected} faults happened, {planned} were planned");
        Ok(())
    }
}

/// The count itself leaves things lying about on purpose: it, too, wants the stack for itself.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    FUNCTIONS.lock().await
}

/// Runs one experiment for each case, some at a time, and collects what it gives.
pub(crate) async fn each<T, R, F>(cases: Vec<T>, run: impl Fn(T) -> F) -> Result<Vec<R>>
where
    F: Future<Output = Result<R>>,
{
    stream::iter(cases).map(run).buffer_unordered(CONCURRENCY).try_collect().await
}

/// All calls by number, or of each run of equal operations the first and the last.
pub(crate) fn steps(operations: &[String]) -> Vec<usize> {
    let differs = |a: usize, b: Option<usize>| b.and_then(|b| operations.get(b)) != operations.get(a);
    (0..operations.len())
        .filter(|&i| is_chaos() || differs(i, i.checked_sub(1)) || differs(i, Some(i + 1)))
        .collect()
}

/// Every fault for each of these calls.
pub(crate) fn matrix(steps: &[usize]) -> Vec<(usize, Fault)> {
    steps.iter().flat_map(|&step| Fault::QUICK.map(|fault| (step, fault))).collect()
}
