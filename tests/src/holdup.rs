//! A proxy that holds requests up, for making AWS hang without touching the product.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Takes connections for an HTTP endpoint and forwards nothing of them until it is released.
#[derive(Debug)]
pub struct Holdup {
    /// Where it listens.
    pub url: String,
    held: Arc<AtomicUsize>,
    release: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Holdup {
    /// Starts holding up what is meant for `endpoint` (`http://host:port`).
    pub async fn start(endpoint: &str) -> Result<Self> {
        let target = endpoint.strip_prefix("http://").context("a plain HTTP endpoint")?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let held = Arc::new(AtomicUsize::new(0));
        let (release, released) = watch::channel(false);
        let counter = Arc::clone(&held);
        let server = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (target, counter, released) = (target.clone(), Arc::clone(&counter), released.clone());
                tokio::spawn(async move {
                    if !*released.borrow() {
                        counter.fetch_add(1, Ordering::SeqCst);
                    }
                    // A connection that breaks is the client's business: it has retries.
                    let _ = forward(connection, &target, released).await;
                });
            }
        });
        Ok(Self { url, held, release, server })
    }

    /// How many connections have been held up so far.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Lets everything through, what was held and what comes.
    pub fn release(&self) {
        self.release.send_replace(true);
    }
}

impl Drop for Holdup {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn forward(mut connection: TcpStream, target: &str, mut released: watch::Receiver<bool>) -> Result<()> {
    released.wait_for(|released| *released).await?;
    let mut upstream = TcpStream::connect(target).await?;
    copy_bidirectional(&mut connection, &mut upstream).await?;
    upstream.shutdown().await?;
    Ok(())
}
