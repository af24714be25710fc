//! Asking the server: one request after the other, on a connection that is kept.

use std::{fmt::Write as _, time::Duration};

use bulkhead_ipc::modules::{MAX_MODULE, MAX_SPECIFIER};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use super::{Definition, DefinitionError, Question};

/// How long connecting may take, and how long an answer, of which a development tool may have to make the module first.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(30);

/// Longest body of an answer, in bytes: a number of a list takes up to four for one byte, and text may be escaped.
const MAX_BODY: usize = 4 * MAX_MODULE;

/// What a question comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Missing,
    Redirect(String),
    Module(Definition),
}

/// Why there is no answer to use.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("connecting to it failed: {0}")]
    Connect(std::io::Error),
    #[error("it took longer than {0:?}")]
    Late(Duration),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("reading its answer failed: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("it answered with status {0}")]
    Status(StatusCode),
    #[error("the specifiers are too long for a request")]
    TooLong,
    #[error("it redirected to nowhere")]
    NoLocation,
    #[error("{0}")]
    Definition(#[from] DefinitionError),
}

type Sender = http1::SendRequest<Empty<Bytes>>;

/// A client of one server.
pub(super) struct Client {
    server: String,
    connection: Option<Sender>,
}

impl Client {
    pub(super) fn new(server: &str) -> Self {
        Self { server: server.to_owned(), connection: None }
    }

    /// # Errors
    /// There is no answer, or none that could be used. That there is no such module is no error.
    pub(super) async fn ask(&mut self, question: &Question) -> Result<Found, AskError> {
        timeout(ANSWER, self.ask_now(question)).await.unwrap_or_else(|_| {
            self.connection = None;
            Err(AskError::Late(ANSWER))
        })
    }

    async fn ask_now(&mut self, question: &Question) -> Result<Found, AskError> {
        let response = match self.send(question).await {
            // As the reference does: one that was kept may have been closed, and a server may be about to start.
            Err(AskError::Http(_)) => self.send(question).await,
            other => other,
        }?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| {
            self.connection = None;
            AskError::Body(error)
        })?;
        match head.status {
            StatusCode::OK => {
                let bytes = body.to_bytes();
                if bytes.is_empty() { Ok(Found::Missing) } else { Ok(Found::Module(Definition::read(&bytes)?)) }
            }
            StatusCode::MOVED_PERMANENTLY => {
                let to = head.headers.get(header::LOCATION).and_then(|to| std::str::from_utf8(to.as_bytes()).ok());
                let to = to.filter(|to| !to.is_empty() && to.len() <= MAX_SPECIFIER).ok_or(AskError::NoLocation)?;
                Ok(Found::Redirect(to.to_owned()))
            }
            StatusCode::NOT_FOUND => Ok(Found::Missing),
            status => Err(AskError::Status(status)),
        }
    }

    async fn send(&mut self, question: &Question) -> Result<Response<Incoming>, AskError> {
        let request = request(question).ok_or(AskError::TooLong)?;
        // One that was closed meanwhile is none any more.
        let kept = match self.connection.take() {
            Some(mut sender) => sender.ready().await.ok().map(|()| sender),
            None => None,
        };
        let mut sender = match kept {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let answer = sender.send_request(request).await?;
        self.connection = Some(sender);
        Ok(answer)
    }

    async fn connect(&self) -> Result<Sender, AskError> {
        let connected = timeout(CONNECT, TcpStream::connect(&self.server)).await;
        let stream = connected.map_err(|_| AskError::Late(CONNECT))?.map_err(AskError::Connect)?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // How it ends, whoever uses it is told.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

/// The request for a module, in the reference's order; `None` if it would be too long.
fn request(question: &Question) -> Option<Request<Empty<Bytes>>> {
    let mut target = "/".to_owned();
    let parameters = [
        ("?specifier=", &question.specifier),
        ("&referrer=", &question.referrer),
        ("&rawSpecifier=", &question.raw_specifier),
    ];
    for (name, value) in parameters {
        target.push_str(name);
        for byte in value.bytes() {
            // As a form is sent (URL, section 5.2).
            match byte {
                b' ' => target.push('+'),
                byte if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) => target.push(char::from(byte)),
                byte => drop(write!(target, "%{byte:02X}")),
            }
        }
    }
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = target.parse().ok()?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, header::HeaderValue::from_static("localhost"));
    let method = if question.required { "require" } else { "import" };
    headers.insert("x-resolve-method", header::HeaderValue::from_static(method));
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_as_the_reference_does() {
        let question = Question {
            specifier: "/lib/é x?y#z&a=b".into(),
            raw_specifier: "./dep".into(),
            referrer: "/main.js".into(),
            required: true,
        };
        let asked = request(&question).expect("it is short");
        assert_eq!(
            asked.uri(),
            "/?specifier=%2Flib%2F%C3%A9+x%3Fy%23z%26a%3Db&referrer=%2Fmain.js&rawSpecifier=.%2Fdep"
        );
        assert_eq!(asked.headers()["host"], "localhost");
        assert_eq!(asked.headers()["x-resolve-method"], "require");
        let long = "é".repeat(MAX_SPECIFIER / 2);
        let question =
            Question { specifier: long.clone(), raw_specifier: long.clone(), referrer: long, required: false };
        assert!(request(&question).is_none());
    }
}
