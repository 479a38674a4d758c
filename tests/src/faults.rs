//! A proxy between a function and AWS that makes single calls go wrong in the ways that calls go wrong.
//!
//! A fault is aimed at one photo: at the calls whose URL or JSON body names it. Everything else passes, so many photos
//! can have their own trouble at the same time.

mod http;
mod process;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use http::Request;

/// One way in which a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The service turns the call away as one too many.
    Throttled,
    /// The service fails, and says so.
    ServerError,
    /// The connection is reset before the service sees the call.
    ResetBefore,
    /// The service does what it was asked to; the connection is reset before the answer.
    ResetAfter,
    /// The service gets half of the call.
    HalfRequest,
    /// The caller gets half of the answer.
    HalfAnswer,
    /// The connection is reset, and the call reaches the service two seconds later: after the caller's next attempt.
    Late,
    /// The service does what it was asked to and the caller hears nothing, until it gives up.
    Silence,
    /// The caller's process is killed before the call.
    KillBefore,
    /// The service does what it was asked to; the caller's process is killed before the answer.
    KillAfter,
}

/// By how much [`Fault::Late`] is late: more than the SDK waits before its next attempt.
const LATE: Duration = Duration::from_secs(2);

impl Fault {
    /// Those that are over at once.
    pub const QUICK: [Self; 9] = [
        Self::Throttled,
        Self::ServerError,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::HalfRequest,
        Self::HalfAnswer,
        Self::Late,
        Self::KillBefore,
        Self::KillAfter,
    ];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Which calls go wrong, and how.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Text that the call's URL or JSON body holds, such as a photo's id.
    pub about: String,
    /// So many of its calls go well first.
    pub skip: usize,
    /// So many go wrong then.
    pub times: usize,
    /// How.
    pub fault: Fault,
}

impl Rule {
    /// One call of a photo's goes wrong.
    #[must_use]
    pub fn once(about: &str, skip: usize, fault: Fault) -> Self {
        Self { about: about.to_owned(), skip, times: 1, fault }
    }

    /// All calls of a photo's go wrong until [`FaultProxy::lift`].
    #[must_use]
    pub fn outage(about: &str, fault: Fault) -> Self {
        Self { about: about.to_owned(), skip: 0, times: usize::MAX, fault }
    }
}

/// The proxy.
#[derive(Debug)]
pub struct FaultProxy {
    /// Where it listens.
    pub url: String,
    state: Arc<State>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    target: String,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rules: Vec<(Rule, usize)>,
    calls: Vec<Call>,
    injected: BTreeMap<(String, Fault), usize>,
}

#[derive(Clone, Debug)]
struct Call {
    operation: String,
    names: String,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call and tells what is to go wrong with it.
    fn fault_for(&self, request: &Request) -> Option<Fault> {
        let mut inner = self.lock();
        let call = Call { operation: request.operation(), names: request.names() };
        let mut chosen = None;
        for (rule, seen) in &mut inner.rules {
            if !call.names.contains(&rule.about) {
                continue;
            }
            let number = *seen;
            *seen += 1;
            if chosen.is_none() && number >= rule.skip && number - rule.skip < rule.times {
                chosen = Some(rule.fault);
            }
        }
        if let Some(fault) = chosen {
            *inner.injected.entry((call.operation.clone(), fault)).or_default() += 1;
        }
        inner.calls.push(call);
        chosen
    }
}

impl FaultProxy {
    /// Starts to pass calls on to `endpoint` (`http://host:port`).
    pub async fn start(endpoint: &str) -> Result<Self> {
        let target = endpoint.strip_prefix("http://").context("a plain HTTP endpoint")?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(State { target, inner: Mutex::default() });
        let shared = Arc::clone(&state);
        let server = tokio::spawn(async move {
            while let Ok((connection, caller)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    // A connection that breaks is what this is about.
                    let _ = serve(connection, caller, &state).await;
                });
            }
        });
        Ok(Self { url, state, server })
    }

    /// Adds a rule. Where several would make a call fail, the earliest decides.
    pub fn add(&self, rule: Rule) {
        self.state.lock().rules.push((rule, 0));
    }

    /// Ends all trouble that is about `text`.
    pub fn lift(&self, text: &str) {
        self.state.lock().rules.retain(|(rule, _)| rule.about != text);
    }

    /// The operations that were called about `text`, in order.
    #[must_use]
    pub fn calls_about(&self, text: &str) -> Vec<String> {
        let inner = self.state.lock();
        inner
            .calls
            .iter()
            .filter(|call| call.names.contains(text))
            .map(|call| call.operation.clone())
            .collect()
    }

    /// How often each fault met each operation.
    #[must_use]
    pub fn injected(&self) -> BTreeMap<(String, Fault), usize> {
        self.state.lock().injected.clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One connection carries one call: the answer says `connection: close`.
async fn serve(mut connection: TcpStream, caller: SocketAddr, state: &State) -> Result<()> {
    let Some(request) = Request::read(&mut connection).await? else { return Ok(()) };
    let target = &state.target;
    match state.fault_for(&request) {
        None => connection.write_all(&forward(&request, target).await?).await?,
        Some(Fault::Throttled) => connection.write_all(&request.throttled()).await?,
        Some(Fault::ServerError) => connection.write_all(&request.server_error()).await?,
        Some(Fault::ResetBefore) => connection.set_zero_linger()?,
        Some(Fault::ResetAfter) => {
            forward(&request, target).await?;
            connection.set_zero_linger()?;
        }
        Some(Fault::HalfRequest) => {
            let mut upstream = TcpStream::connect(target).await?;
            let bytes = request.bytes();
            upstream.write_all(&bytes[..bytes.len() / 2]).await?;
            upstream.flush().await?;
            upstream.set_zero_linger()?;
            connection.set_zero_linger()?;
        }
        Some(Fault::HalfAnswer) => {
            let answer = forward(&request, target).await?;
            connection.write_all(&answer[..answer.len() / 2]).await?;
            connection.flush().await?;
            // An answer that ends early, not a reset that would take back what was sent.
            connection.shutdown().await?;
        }
        Some(Fault::Late) => {
            connection.set_zero_linger()?;
            drop(connection);
            tokio::time::sleep(LATE).await;
            forward(&request, target).await?;
        }
        Some(Fault::Silence) => {
            forward(&request, target).await?;
            // Until the caller gives up.
            let _ = connection.read(&mut [0]).await?;
        }
        Some(Fault::KillBefore) => process::kill_owner_of(caller, connection.local_addr()?)?,
        Some(Fault::KillAfter) => {
            forward(&request, target).await?;
            process::kill_owner_of(caller, connection.local_addr()?)?;
        }
    }
    Ok(())
}

/// Passes a call on and gives the whole answer.
async fn forward(request: &Request, target: &str) -> Result<Vec<u8>> {
    let mut upstream = TcpStream::connect(target).await?;
    upstream.write_all(&request.bytes()).await?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).await?;
    Ok(answer)
}
