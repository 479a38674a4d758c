//! A server that answers as a test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request: its head in small letters, its target, and what its body is.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) target: String,
    pub(crate) in_parts: bool,
    pub(crate) has_body: bool,
    /// It asks for a signature that begins an upload in parts.
    pub(crate) begins: bool,
    /// Its body, as far as it is text.
    pub(crate) body: String,
}

/// What a server answers.
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Said {
    /// The connection ends without an answer.
    pub(crate) fn hang_up() -> Self {
        Self { status: 0, headers: Vec::new(), body: Vec::new() }
    }
}

impl From<(u16, Vec<u8>)> for Said {
    fn from((status, body): (u16, Vec<u8>)) -> Self {
        Self { status, headers: Vec::new(), body }
    }
}

/// Answers every request by `answer` and keeps what was asked.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

pub(crate) type Answer = fn(&Asked, &str) -> (u16, Vec<u8>);

impl Server {
    pub(crate) fn start<S: Into<Said>>(answer: impl Fn(&Asked, &str) -> S + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (kept, own_url) = (Arc::clone(&asked), url.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that has gone is no concern of the next one.
                let _ = serve(stream, &answer, &kept, &own_url);
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve<S: Into<Said>>(
    stream: TcpStream,
    answer: &impl Fn(&Asked, &str) -> S,
    kept: &Mutex<Vec<Asked>>,
    url: &str,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let head = head.to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
    let mut body = Vec::new();
    reader.take(length.unwrap_or(0)).read_to_end(&mut body)?;
    let text = String::from_utf8_lossy(&body);
    let asked = Asked {
        in_parts: text.contains(r#""upload_method":"multipart""#),
        has_body: !body.is_empty(),
        begins: text.contains("CreateMultipartUpload"),
        body: text.into_owned(),
        head,
        target,
    };
    let Said { status, headers, body } = answer(&asked, url).into();
    kept.lock().unwrap().push(asked);
    if status == 0 {
        return Ok(());
    }
    let mut stream = stream;
    // S3 gives an uploaded part its ETag; bytes over 0x7f are all of the control characters that a header can carry.
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\netag: \"e\"\r\n", body.len())?;
    for (name, value) in headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    stream.write_all(b"x-amz-request-id: \x9b31m\r\nconnection: close\r\n\r\n")?;
    stream.write_all(&body)
}
